"""From the values of a row, as they came in JSON, to one number a column, checked on the way."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.conform.dates import count_micros, parse_moment
from tiltyard.data.conform.rows import CellError, CellReader
from tiltyard.scoring.table.columns import LARGEST, InputColumn, InputColumns

Reader = Callable[[Any], float]

_NOTHING = object()
# Whether the addresses that ``id`` gives may be read, and one lock guards all objects.
_READS_OBJECTS = sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)()
_MOST_SEEN = 4096  # texts of dates that are kept as read


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

    A number stands for itself and a gap is NaN; words and booleans are coded. What a cell means, and what is refused,
    is decided by ``InputColumns``; a float, an int, a bool and a known category are themselves and skip it.

    Args:
        columns: the features in training order.
        codes: of each column of words or booleans; a column that is not named holds numbers.

    Attributes:
        quick: reads rows of usual cells; None where there are no usual ones.
    """

    def __init__(self, columns: InputColumns, codes: Mapping[str, Codes]) -> None:
        self._columns = columns
        self.quick = QuickReader.make_reader(columns, codes)
        self._readers = tuple(
            (column.name, _make_reader(column, codes.get(column.name), columns.reader_of(column.name)))
            for column in columns
        )

    def encode(self, inputs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """The inputs as an array of shape (n, features); a number that is infinite may still be in it.

        Raises:
            InputError: inputs cannot be scored; its ``problems`` name every position and field.
        """
        found = None if self.quick is None else self.quick.read(inputs)
        return self.check(inputs) if found is None else found

    def check(self, inputs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """The inputs as an array of shape (n, features), each cell read by its column's reader.

        Raises:
            InputError: inputs cannot be scored; its ``problems`` name every position and field.
        """
        readers = self._readers
        try:
            rows = [[read(row[name]) for name, read in readers] for row in inputs]
        except (CellError, KeyError):
            # Names of other spelling are rare, and looked for once others are not found.
            conforming = self._columns.read(inputs)
            rows = [[read(row[name]) for name, read in readers] for row in conforming]
        return np.array(rows, np.float64).reshape(len(inputs), len(readers))


class QuickReader:
    """Reads rows of usual cells at once: floats and whole numbers, known words and booleans, and None for a gap.

    Args:
        names: the columns.
        codes: of each column of words or booleans, and the type of its usual cells.

    Attributes:
        addresses, missing: as ``row_kernels.read_row`` takes them.
    """

    def __init__(self, names: Sequence[str], codes: Mapping[str, tuple[Codes, type]]) -> None:
        self._made_of = list(names), dict(codes)
        self._width = len(names)
        known = {name: {value: float(code) for value, code in held.known.items()} for name, (held, _) in codes.items()}
        self.missing = np.array([codes[name][0].missing if name in codes else math.nan for name in names])
        held: list[Any] = [dict, float, int, None]
        for name in names:
            held += [name, known.get(name, _NOTHING), codes[name][1] if name in codes else _NOTHING]
        self._held = held  # what stands at the addresses has to stay
        self.addresses = np.array([0 if thing is _NOTHING else id(thing) for thing in held], np.int64)

    def __reduce__(self) -> tuple[type[QuickReader], tuple[Any, ...]]:
        # A copy has other objects, at other addresses.
        return QuickReader, self._made_of

    @classmethod
    def make_reader(cls, columns: InputColumns, codes: Mapping[str, Codes]) -> QuickReader | None:
        """The reader of these columns; None where one of them has to be parsed: a date, or nothing at all."""
        coded: dict[str, tuple[Codes, type]] = {}
        for column in columns:
            if column.name in codes:
                kind = {"boolean": bool, "text": str}.get(column.kind)
                if kind is None:
                    return None
                coded[column.name] = codes[column.name], kind
            elif column.kind != "number" or columns.reader_of(column.name)(0.0) is None:
                return None
        return cls([column.name for column in columns], coded) if _READS_OBJECTS else None

    def read(self, inputs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64] | None:
        """The rows as an array; None where a cell is not usual."""
        rows = inputs if type(inputs) is list else list(inputs)
        out = np.empty((len(rows), self._width))
        return out if self._read_usual_rows(id(rows), self.addresses, self.missing, out) else None

    @cached_property
    def _read_usual_rows(self) -> Callable[..., bool]:
        from tiltyard.scoring.table import row_kernels  # noqa: PLC0415 - imported when first used

        return row_kernels.read_usual_rows


def _make_reader(column: InputColumn, codes: Codes | None, read: CellReader) -> Reader:
    """From a raw cell to its number or code; raises ``CellError`` where it has to be refused."""
    if codes is not None:
        return _make_code_reader(codes, {"boolean": bool, "text": str}.get(column.kind), read)

    if column.kind == "time":
        return _make_time_reader(read)

    low, high = -LARGEST, LARGEST

    def read_number(value: Any) -> float:
        kind = type(value)
        if kind is float:
            if low <= value <= high or value != value:  # noqa: PLR0124 - NaN is a gap
                return value  # type: ignore[no-any-return]
        elif kind is int:
            if low <= value <= high:
                return float(value)
        elif value is None:
            return math.nan
        number = read(value)
        return math.nan if number is None else number

    def read_nothing(value: Any) -> float:
        read(value)
        return math.nan

    return read_nothing if read(0.0) is None else read_number


def _make_time_reader(read: CellReader) -> Reader:
    """From a raw cell to microseconds since 1970; a day is often that of the row before."""
    seen: dict[str, float] = {}

    def read_time(value: Any) -> float:
        if type(value) is str and (known := seen.get(value)) is not None:
            return known
        moment = read(value)
        if moment is None:
            return math.nan
        micros = count_moment(moment)
        if type(value) is str:
            if len(seen) >= _MOST_SEEN:
                seen.clear()
            seen[value] = micros
        return micros

    return read_time


def count_moment(moment: Any) -> float:
    """Microseconds from 1970 to a date or time as a reader of cells gives it, in UTC.

    Raises:
        CellError: it is none.
    """
    return count_micros(moment if isinstance(moment, datetime) and moment.tzinfo else _to_moment(moment))


def _to_moment(value: Any) -> datetime:
    import pandas as pd  # noqa: PLC0415 - a server that predicts has no other use for it

    moment = parse_moment(pd.Timestamp(value))
    if moment is None:
        raise CellError
    return moment


def _make_code_reader(codes: Codes, kind: type | None, read: CellReader) -> Reader:
    find, unknown, missing = codes.known.get, codes.unknown, codes.missing

    def read_code(value: Any) -> float:
        if type(value) is kind:
            code = find(value)
            if code is not None:
                return code
        elif value is None:
            return missing
        meant = read(value)
        return missing if meant is None else find(meant, unknown)

    return read_code
