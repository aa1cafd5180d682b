"""The cells of a column, each distinct one read once: as words, numbers and booleans."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.cells import (
    is_gap,
    normalise_text,
    parse_boolean,
    parse_number,
    write_category,
)
from tiltyard.data.conform.labels import factorise_cells
from tiltyard.data.conform.number_texts import drop_sign, find_sign, number_pattern
from tiltyard.data.conform.rules import GAP_WORDS, USUAL_RULES, ReadingRules

ColumnKind = Literal["number", "boolean", "category", "text", "time", "empty"]

_CODE = re.compile(r"[+-]?0\d")
_SAMPLE = 1000
_LEAST_NUMBERS = 0.05  # of a sample of words: with fewer, the rest is not read


@dataclass(frozen=True, eq=False)
class WrittenColumn:
    """A column as it would be written down: n positions in the distinct words, -1 where there is no value."""

    codes: NDArray[np.intp]
    distinct: list[str]

    @property
    def counts(self) -> NDArray[np.intp]:
        """How often each distinct word occurs."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.distinct))

    def without(self, words: Collection[str]) -> WrittenColumn:
        """The same column with some words as gaps."""
        kept = [word for word in self.distinct if word not in words]
        if len(kept) == len(self.distinct):
            return self
        place = {word: position for position, word in enumerate(kept)}
        moved = np.array([*(place.get(word, -1) for word in self.distinct), -1], dtype=np.intp)
        return WrittenColumn(moved[self.codes], kept)

    def spread(self, values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """One number a cell from one a distinct word; NaN where there is no value."""
        return np.append(np.asarray(values, dtype=np.float64), np.nan)[self.codes]


def kind_of_dtype(dtype: Any) -> ColumnKind | None:
    """The kind that a pandas dtype stands for by itself; None where the cells decide."""
    kinds = pd.api.types
    if isinstance(dtype, pd.CategoricalDtype):
        return "time" if _are_times(dtype.categories) else "category"
    if kinds.is_bool_dtype(dtype):
        return "boolean"
    if kinds.is_numeric_dtype(dtype) and not kinds.is_complex_dtype(dtype):
        return "number"
    if kinds.is_datetime64_any_dtype(dtype) or kinds.is_timedelta64_dtype(dtype):
        return "time"
    return None


def _are_times(categories: pd.Index) -> bool:
    """Whether the categories of a dtype are timestamps or dates: a file may keep any type in a dictionary."""
    if pd.api.types.is_datetime64_any_dtype(categories.dtype):
        return True
    return len(categories) > 0 and categories.dtype == object and all(isinstance(one, date) for one in categories)


def numbers_of_words(words: Sequence[str], rules: ReadingRules = USUAL_RULES) -> NDArray[np.float64] | None:
    """k words as numbers, NaN where one is not a number; None where hardly any is one, or where they are codes.

    Numbers that start with a needless zero (``00123``) are codes. The sign of percent or of a currency is read over
    where every word has it.
    """
    if sign := find_sign(words, rules.gap_words):
        words = [drop_sign(word, sign) for word in words]
    for part in (words[:_SAMPLE], words):
        numbers = _parse_words(part, rules)
        found = np.flatnonzero(~np.isnan(numbers))
        if len(found) < max(1, _LEAST_NUMBERS * len(part)) or any(_CODE.match(part[place]) for place in found.tolist()):
            return None
    return numbers


def write_down(column: pd.Series, gap_words: Collection[str] = GAP_WORDS) -> WrittenColumn:
    """A column as a CSV file would have it, without its gaps."""
    codes, cells = factorise_cells(column)
    written = ["" if is_gap(cell, gap_words) else write_category(cell) or normalise_text(str(cell)) for cell in cells]
    distinct = {word: place for place, word in enumerate(dict.fromkeys(word for word in written if word))}
    places = np.array([*(distinct.get(word, -1) for word in written), -1], dtype=np.intp)
    return WrittenColumn(places[codes], list(distinct))


def read_numbers(
    column: pd.Series, rules: ReadingRules = USUAL_RULES, sign: str = ""
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """n numbers, NaN where there is none, and n booleans: cells with a value that is not a number.

    Args:
        column: n cells.
        rules: how they are read.
        sign: of percent or of a currency, that they may be written with.
    """
    if kind_of_dtype(column.dtype) == "number":
        return column.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(column), dtype=np.bool_)
    return _read_distinct(column, rules, partial(parse_number, sign=sign))


def read_booleans(
    column: pd.Series, rules: ReadingRules = USUAL_RULES
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """n times 1 or 0, NaN where there is neither, and n booleans: cells with a value that is neither true nor false."""
    return _read_distinct(column, rules, parse_boolean)


def _read_distinct(
    column: pd.Series, rules: ReadingRules, parse: Callable[[Any, ReadingRules], float | None]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    codes, cells = factorise_cells(column)
    gaps = np.array([*(is_gap(cell, rules.gap_words) for cell in cells), True], dtype=np.bool_)
    read = [None if gap else parse(cell, rules) for cell, gap in zip(cells, gaps.tolist(), strict=False)]
    numbers = np.array([*(math.nan if number is None else number for number in read), math.nan], dtype=np.float64)
    return numbers[codes], (np.isnan(numbers) & ~gaps)[codes]


def _parse_words(words: Sequence[str], rules: ReadingRules) -> NDArray[np.float64]:
    if rules.decimal == "." and rules.thousands is None:
        pattern = number_pattern(".", None)
        return np.array([float(word) if pattern.fullmatch(word) else math.nan for word in words], dtype=np.float64)
    read = (parse_number(word, rules) for word in words)
    return np.array([math.nan if number is None else number for number in read], dtype=np.float64)
