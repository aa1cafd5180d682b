"""What training knew of each column's values, and warnings about values outside of it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.conform.schema import TypedColumn
from tiltyard.scoring.input_warnings import LONGEST_VALUE, InputWarning
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.suggest import nearest

Floats = NDArray[np.float64]

# Comparing with very many names costs time; then only another spelling of the same name is looked for.
_MOST_COMPARED = 200
_MOST_HINTS = 50
_WHOLE = re.compile(r"[+-]?\d+")
_LARGEST_WRITTEN = 10**18


@dataclass(frozen=True)
class KnownColumn:
    """What training knew of one column.

    Attributes:
        name: its name.
        minimum, maximum: the smallest and the largest number, or microsecond since 1970, that is usual; infinite where
            that is not known.
        categories: the known categories; None where they are not known, or the column has none.
        dates: whether the values are dates.
    """

    name: str
    minimum: float = -math.inf
    maximum: float = math.inf
    categories: Collection[str] | None = None
    dates: bool = False

    def find_unusual(self, value: Any) -> bool:
        """Whether training did not know a value, as it was read; a gap is never unusual."""
        if isinstance(value, str):
            return self.categories is not None and value not in self.categories
        if isinstance(value, datetime) and value == value:  # noqa: PLR0124 - NaT differs from itself
            return not self.minimum <= value.timestamp() * 1e6 <= self.maximum
        return isinstance(value, int | float | np.integer | np.floating) and bool(
            value < self.minimum or value > self.maximum
        )


class KnownValues:
    """What training knew of the values of a table's columns.

    Args:
        columns: the features in training order.
    """

    def __init__(self, columns: Iterable[KnownColumn]) -> None:
        self._columns = tuple(columns)

    @classmethod
    def from_columns(
        cls, columns: InputColumns, categories: Mapping[str, Collection[str]] = MappingProxyType({})
    ) -> KnownValues:
        """What the schema of the training rows, and the encoder of the fitted model, say.

        Args:
            columns: the features; without a schema their ranges are not known.
            categories: the categories that the model's encoder knows, by column; the schema's where it names none.
        """
        schema = columns.schema
        typed = {column.name: column for column in schema.columns} if schema is not None else {}
        known = []
        for name in (column.name for column in columns):
            column = typed.get(name)
            encoded = categories.get(name)
            named = column.categories if encoded is None and column is not None else encoded
            known.append(_describe_known(name, column, None if named is None else frozenset(named)))
        return cls(known)

    def bounds(self, unknown_codes: Mapping[str, float]) -> tuple[Floats, Floats]:
        """Between what an encoded value of each column is a known one: the lowest and the highest, both float64.

        Args:
            unknown_codes: of each coded column whose unknown values have their own code, above all others.
        """
        lows = np.array([column.minimum for column in self._columns], np.float64)
        highs = [
            unknown_codes[column.name] - 0.5 if column.name in unknown_codes else column.maximum
            for column in self._columns
        ]
        return lows, np.array(highs, np.float64)

    def find_warnings(
        self, rows: Sequence[Mapping[str, Any]], cells: Sequence[Mapping[str, Any]] | None = None
    ) -> list[list[InputWarning]]:
        """The warnings of n rows of values as they were read.

        Args:
            rows: the values.
            cells: the same as they were sent, where that is known: a whole number is shown as it was sent, and not
                rounded as a model reads it.
        """
        hints: dict[tuple[str, str], str] = {}
        return [
            [
                self._describe(column, _keep_exact(row[column.name], sent.get(column.name)), hints)
                for column in self._columns
                if column.find_unusual(row[column.name])
            ]
            for row, sent in zip(rows, rows if cells is None else cells, strict=True)
        ]

    def _describe(self, column: KnownColumn, value: Any, hints: dict[tuple[str, str], str]) -> InputWarning:
        if isinstance(value, str):
            shown = value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
            if (column.name, value) not in hints:
                hints[column.name, value] = (
                    _nearest_category(value, column.categories or ()) if len(hints) < _MOST_HINTS else ""
                )
            message = f"is {shown!r}, which training did not know.{hints[column.name, value]}".rstrip(".")
            return InputWarning(column.name, "unknown-category", shown, message)
        if column.dates:
            return _describe_date(column, value)
        number = value.item() if isinstance(value, np.generic) else value
        side, limit = ("below", column.minimum) if number < column.minimum else ("above", column.maximum)
        extreme = "smallest" if side == "below" else "largest"
        message = f"is {_write_number(number)}, {side} the {extreme} value of training, {_write_number(limit)}"
        return InputWarning(column.name, "out-of-range", number, message)


def _keep_exact(value: Any, cell: Any) -> Any:
    """The value; where a whole number was sent, that number, which a float may only approximate."""
    if isinstance(cell, str) and len(cell) <= LONGEST_VALUE and _WHOLE.fullmatch(digits := cell.strip()):
        cell = int(digits)  # which takes less for white space than strip does
    is_whole = isinstance(value, float) and isinstance(cell, int) and not isinstance(cell, bool)
    return cell if is_whole else value


def _write_number(number: float) -> str:
    """A number in full, so that neighbours look different; with an exponent where it is very large or small."""
    if abs(number) < _LARGEST_WRITTEN and number == int(number):
        return str(int(number))
    return f"{float(number):.15g}"


def _describe_known(name: str, column: TypedColumn | None, categories: frozenset[str] | None) -> KnownColumn:
    low, high = (None, None) if column is None else (column.minimum, column.maximum)
    if column is None or low is None or high is None or column.kind not in ("number", "time"):
        return KnownColumn(name, categories=categories)
    # Time advances: a date is far outside from as long after the last one of training as training lasted.
    dates = column.kind == "time"
    return KnownColumn(name, low, high + (high - low) if dates else high, categories, dates)


def _describe_date(column: KnownColumn, value: Any) -> InputWarning:
    moment = value if isinstance(value, datetime) else datetime.fromtimestamp(float(value) / 1e6, UTC)
    early = moment.timestamp() * 1e6 < column.minimum
    where = "before the first date of training" if early else "long after the last date of training"
    shown = moment.isoformat()
    return InputWarning(column.name, "far-date", shown, f"is {shown}, {where}")


def _nearest_category(value: str, known: Collection[str]) -> str:
    folded = value.strip().casefold()
    for category in known:
        if category.casefold() == folded:
            return f" Did you mean '{category}'?"
    return nearest(value[:LONGEST_VALUE], known) if len(known) <= _MOST_COMPARED else ""
