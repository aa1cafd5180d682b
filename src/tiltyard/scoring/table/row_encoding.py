"""From the values of a row, as they came in JSON, to one number a column, checked on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.input_errors import refuse_inputs
from tiltyard.scoring.table.columns import LARGEST, InputColumn, InputColumns

Reader = Callable[[Any], float]


@dataclass(frozen=True)
class Codes:
    """What stands for the values of a column of words or booleans.

    Attributes:
        known: the code of each value that training knew.
        unknown: the code of any other, above all others.
        missing: the code of a gap.
    """

    known: Mapping[Any, float]
    unknown: float
    missing: float


NO_CODES = Codes({}, 0.0, 0.0)
"""Of a column that the model does not read."""


class Encoding:
    """Encodes inputs as an array, one column a feature.

    A number stands for itself and a gap is NaN; words and booleans are coded. What is refused, and in which words, is
    decided by ``InputColumns``; values of the expected type skip it.

    Args:
        columns: the features in training order.
        codes: of each column of words or booleans; a column that is not named holds numbers.
    """

    def __init__(self, columns: InputColumns, codes: Mapping[str, Codes]) -> None:
        self._columns = columns
        self._plain = tuple((column.name, _plain_reader(column, codes.get(column.name))) for column in columns)
        self._every = tuple((column.name, _reader(codes.get(column.name))) for column in columns)

    def encode(self, inputs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """The inputs as an array of shape (n, features).

        Raises:
            InputError: inputs cannot be scored; its ``problems`` name every position and field.
        """
        plain = self._plain
        try:
            rows = [[read(row[name]) for name, read in plain] for row in inputs]
        except (_OddValue, KeyError):
            rows = []
        if len(rows) != len(inputs):
            problems = self._columns.problems(inputs)
            if problems:
                raise refuse_inputs(problems)
            rows = [[read(row[name]) for name, read in self._every] for row in inputs]
        return np.array(rows, np.float64).reshape(len(inputs), len(plain))


class _OddValue(Exception):  # noqa: N818 - not a failure
    """A value that has to be looked at more closely."""


_TYPES: dict[str, type] = {"boolean": bool, "text": str}


def _plain_reader(column: InputColumn, codes: Codes | None) -> Reader:
    """Reads the types that JSON has; anything else is odd, and so is what may have to be refused."""
    if codes is None:
        return _number
    if column.kind not in _TYPES:
        return _read_odd_value
    known, unknown, missing = codes.known, codes.unknown, codes.missing
    kind = _TYPES[column.kind]

    def read(value: Any) -> float:
        if type(value) is kind:
            return known.get(value, unknown)
        if value is None:
            return missing
        raise _OddValue

    return read


def _read_odd_value(_value: Any) -> float:
    raise _OddValue


def _number(value: Any) -> float:
    kind = type(value)
    if kind is float:
        if -LARGEST <= value <= LARGEST or math.isnan(value):
            return value  # type: ignore[no-any-return]
    elif kind is int:
        if -LARGEST <= value <= LARGEST:
            return float(value)
    elif value is None:
        return math.nan
    raise _OddValue


def _reader(codes: Codes | None) -> Reader:
    """Reads any value that ``InputColumns`` lets pass."""
    if codes is None:
        return lambda value: math.nan if value is None else float(value)

    def read(value: Any) -> float:
        gap = value is None or (isinstance(value, float) and math.isnan(value))
        return codes.missing if gap else codes.known.get(value, codes.unknown)

    return read
