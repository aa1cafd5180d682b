"""A column of cells as it would be written down, and its words as numbers and booleans."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.cells import BOOLEANS
from tiltyard.data.conform.rules import GAP_WORDS

ColumnKind = Literal["number", "boolean", "category", "text", "time", "empty"]

_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)", re.ASCII | re.IGNORECASE)
_CODE = re.compile(r"[+-]?0\d")
_SAMPLE = 1000
_LEAST_NUMBERS = 0.05  # of a sample of words: with fewer, the rest is not read


@dataclass(frozen=True, eq=False)
class WrittenColumn:
    """A column as it would be written down: n positions in the distinct words, -1 where there is no value."""

    codes: NDArray[np.intp]
    distinct: list[str]

    def spread(self, values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """One number a cell from one a distinct word; NaN where there is no value."""
        return np.append(np.asarray(values, dtype=np.float64), np.nan)[self.codes]


def kind_of_dtype(dtype: Any) -> ColumnKind | None:
    """The kind that a pandas dtype stands for by itself; None where the cells decide."""
    kinds = pd.api.types
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if kinds.is_bool_dtype(dtype):
        return "boolean"
    if kinds.is_numeric_dtype(dtype) and not kinds.is_complex_dtype(dtype):
        return "number"
    if kinds.is_datetime64_any_dtype(dtype) or kinds.is_timedelta64_dtype(dtype):
        return "time"
    return None


def numbers_of_words(words: Sequence[str]) -> NDArray[np.float64] | None:
    """k words as numbers, NaN where one is no number; None where hardly any is one, or where they are codes.

    Numbers that start with a needless zero (``00123``) are codes.
    """
    for part in (words[:_SAMPLE], words):
        numbers = _floats(part)
        found = np.flatnonzero(~np.isnan(numbers))
        if len(found) < max(1, _LEAST_NUMBERS * len(part)) or any(_CODE.match(part[place]) for place in found.tolist()):
            return None
    return numbers


def write_down(column: pd.Series) -> WrittenColumn:
    """A column as a CSV file would have it."""
    cells = column
    if cells.dtype == object:
        # Apart before they are compared: to Python, True equals 1.
        cells = cells.map(_write_cell, na_action="ignore")
    codes, values = pd.factorize(cells, use_na_sentinel=True)
    # A gap makes whole numbers fractions: in a column of numbers, 1.0 is written 1.
    numbers = pd.api.types.is_float_dtype(values.dtype)
    written = [_write_cell(int(value) if numbers and float(value).is_integer() else value) for value in values.tolist()]
    distinct = {word: place for place, word in enumerate(dict.fromkeys(w for w in written if w not in GAP_WORDS))}
    places = np.array([*(distinct.get(word, -1) for word in written), -1], dtype=np.intp)
    return WrittenColumn(places[codes], list(distinct))


def read_numbers(column: pd.Series | WrittenColumn) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """n numbers, NaN where there is none, and n booleans: cells with a value that is no number."""
    if isinstance(column, pd.Series):
        if kind_of_dtype(column.dtype) == "number":
            return column.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(column), dtype=np.bool_)
        column = write_down(column)
    return _spread_read(column, _floats(column.distinct))


def read_booleans(column: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """n times 1 or 0, NaN where there is neither, and n booleans: cells with a value that is neither true nor false."""
    words = write_down(column)
    return _spread_read(words, np.array([BOOLEANS.get(word, math.nan) for word in words.distinct], dtype=np.float64))


def _spread_read(words: WrittenColumn, read: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    numbers = words.spread(read)
    return numbers, np.isnan(numbers) & (words.codes >= 0)


def _floats(words: Sequence[str]) -> NDArray[np.float64]:
    return np.array([float(word) if _NUMBER.fullmatch(word) else math.nan for word in words], dtype=np.float64)


def _write_cell(value: object) -> str:
    """A cell as text, without outer white space."""
    word = str(value).strip()
    # Half a surrogate pair has no place in UTF-8, and so none in a stored category.
    return word if word.isascii() else word.encode("utf-8", "replace").decode("utf-8")
