"""The values of a JSON text: how many it holds, counted before any of them is made; and gaps among them.

A value of two bytes becomes an object of up to a hundred. So the bytes of a body do not say what decoding it costs; the
number of its values does, and the inputs that a request may hold bound that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.formatting import format_count
from tiltyard.serving.predict.bodies.budget import ALWAYS_TAKEN
from tiltyard.serving.problem_details import RequestError

# What a caller may send besides the model's own columns, in each row, and besides the rows.
_SPARE_COLUMNS = 64
_SPARE_ROWS = 10
# Larger pieces leave the processor's cache.
_PIECE = 256 * 1024
_QUOTE, _BACKSLASH, _COMMA, _LIST, _OBJECT = b'"\\,[{'


@dataclass(frozen=True, slots=True)
class ValueLimit:
    """How many values the body of a request may hold.

    Attributes:
        rows: most rows, or inputs, of a request.
        columns: values of one of them.
    """

    rows: int
    columns: int

    @property
    def values(self) -> int:
        """Room for all rows with each value twice (as an object, say), unknown columns, and what is around them."""
        return (self.rows + _SPARE_ROWS) * (2 * self.columns + _SPARE_COLUMNS)

    def surplus_error(self, unit: str = "value") -> RequestError:
        """The error for a body that holds more."""
        return RequestError(
            f"The body holds more than {format_count(self.values, unit)}: more than "
            f"{format_count(self.rows, 'row')} of {format_count(self.columns, 'column')} need.",
            status=413,
            code="request.too-many",
            next_step=f"Send at most {format_count(self.rows, 'row')} at once, with the model's columns.",
        )


def refuse_surplus_values(body: bytes | bytearray | memoryview, limit: ValueLimit) -> None:
    """Refuse a JSON text with more values than rows and columns allow; a small one cannot cost much.

    Raises:
        RequestError: it holds more.
    """
    if len(body) > ALWAYS_TAKEN and count_values(body, limit.values) > limit.values:
        raise limit.surplus_error()


def replace_nan(row: Any) -> Any:
    """A row whose gaps are null; JSON has no NaN, and several clients write it for a gap all the same."""
    if not isinstance(row, Mapping):
        return row
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}


def count_values(body: bytes | bytearray | memoryview, most: int) -> int:
    """How many values a JSON text may hold at most; counting stops soon after ``most``.

    Each value but the first follows a comma or opens a list or an object, so those outside of strings are counted. Up
    to the first error, a text that is not JSON is counted as a parser reads it. Time is linear in the bytes, and other
    threads run meanwhile.
    """
    read = np.frombuffer(body, np.uint8)
    count, in_string, escaped = 1, False, False
    for start in range(0, len(read), _PIECE):
        piece = read[start : start + _PIECE]
        quotes = np.flatnonzero(piece == _QUOTE)
        if escaped or len(quotes) or piece[-1] == _BACKSLASH:
            quotes, escaped = _drop_escaped(quotes, np.flatnonzero(piece == _BACKSLASH), escaped, len(piece))
        if len(quotes):
            marks = np.flatnonzero(_find_marks(piece))
            before = np.searchsorted(quotes, marks) + in_string
            count += int(np.count_nonzero(before % 2 == 0))
            in_string ^= len(quotes) % 2 == 1
        elif not in_string:
            count += int(np.count_nonzero(_find_marks(piece)))
        if count > most:
            break
    return count


def _find_marks(piece: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a comma or an opening bracket stands."""
    marks: NDArray[np.bool_] = (piece == _COMMA) | (piece == _LIST) | (piece == _OBJECT)
    return marks


def _drop_escaped(
    quotes: NDArray[np.intp], slashes: NDArray[np.intp], first_is_escaped: bool, size: int
) -> tuple[NDArray[np.intp], bool]:
    """The quotes that no backslash escapes, and whether the byte behind the piece is escaped.

    Args:
        quotes: places of quotes in the piece.
        slashes: places of backslashes in it.
        first_is_escaped: whether its first byte is escaped by the one before it.
        size: its bytes.
    """
    escaped = np.zeros(size + 1, np.bool_)
    escaped[0] = first_is_escaped
    if first_is_escaped and len(slashes) and slashes[0] == 0:
        slashes = slashes[1:]
    if len(slashes):
        # Of backslashes in a row, the first, third … escape what follows them.
        order = np.arange(len(slashes))
        begins = np.concatenate(([True], np.diff(slashes) != 1))
        in_row = order - np.maximum.accumulate(np.where(begins, order, 0))
        escaped[slashes[in_row % 2 == 0] + 1] = True
    return quotes[~escaped[quotes]], bool(escaped[size])
