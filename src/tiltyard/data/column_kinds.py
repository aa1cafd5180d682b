"""What kind of values a column holds: one type and one decision, the same for every format.

CSV, JSON and Parquet say different things about the same values: one has text where another has numbers, whole
numbers turn into fractions beside a gap, booleans into objects. So columns of anything but plain numbers are decided by
what their cells say when written down, as in a CSV file:

- **number**: the cells read as numbers; words that start with a needless zero (``00123``) are codes, not numbers.
- **boolean**: every cell is true or false, or one of the words that CSV readers read as such (``True``, ``FALSE``, …).
  ``Yes`` and ``No`` stay words.
- **time**: the cells are ISO 8601 dates or times.
- **text**: the cells are prose: long, or several words each and hardly ever the same.
- **category**: anything else, as text without outer white space.
- **empty**: no cell has a value.

White space and the usual words for gaps (``NA``, ``null``, …) are missing values in all of them. Formats that can say
more are believed: a Parquet category stays a category, even of numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ColumnKind = Literal["number", "boolean", "category", "text", "time", "empty"]

# The words that pandas takes for gaps in a CSV file.
GAP_WORDS = frozenset(
    {
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
        "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    }
)  # fmt: skip

# A column of words counts as numbers or times from this share of readable cells on, where the rest may be reported.
READABLE_FROM = 0.9

_TRUE = ("True", "TRUE", "true")
_FALSE = ("False", "FALSE", "false")
BOOLEAN_WORDS = {**dict.fromkeys(_TRUE, 1.0), **dict.fromkeys(_FALSE, 0.0)}
_BOOLEANS = {**BOOLEAN_WORDS, "1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0}
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)", re.ASCII | re.IGNORECASE)
_CODE = re.compile(r"[+-]?0\d")
_ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")
_SAMPLE = 1000
_LEAST_NUMBERS = 0.05  # of a sample of words: with fewer, the rest is not read
_PROSE_LENGTH, _PROSE_SPACES = 40, 5  # characters and spaces of a cell, on average
_SENTENCE_SPACES = 3  # enough where at least half of the cells differ
_DIFFERENT = 0.5


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


def decide_kind(column: pd.Series) -> tuple[ColumnKind, WrittenColumn | None]:
    """The kind of a column whose cells all have to be of it, and its words where they decided."""
    if column.isna().all():
        return "empty", None
    kind = kind_of_dtype(column.dtype)
    if kind in ("boolean", "number"):
        return kind, None
    words = write_down(column)
    if kind is not None:
        return (kind if words.distinct else "empty"), words
    return kind_of_words(words.distinct, np.bincount(words.codes[words.codes >= 0])), words


def kind_of_words(
    words: Sequence[str], counts: NDArray[np.int64] | NDArray[np.intp], *, readable_from: float = 1.0
) -> ColumnKind:
    """The kind of a column by its k distinct words without outer white space, and how often each occurs.

    Words for gaps do not count. Numbers and times need a share of ``readable_from`` of the cells.
    """
    known = [(word, int(count)) for word, count in zip(words, counts, strict=True) if word not in GAP_WORDS]
    if not known:
        return "empty"
    distinct = [word for word, _ in known]
    if all(word in BOOLEAN_WORDS for word in distinct):
        return "boolean"
    cells = sum(count for _, count in known)
    numbers = numbers_of_words(distinct)
    if numbers is not None:
        readable = sum(count for (_, count), number in zip(known, numbers, strict=True) if not math.isnan(number))
        if readable >= readable_from * cells:
            return "number"
    if _are_times(distinct, readable_from):
        return "time"
    return "text" if _are_prose(distinct, cells) else "category"


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


def numeric_if_written_as_text(column: pd.Series) -> pd.Series:
    """A column of numbers written as text as float64 with its gaps missing; any other column as it is."""
    kind, words = decide_kind(column)
    if kind != "number" or words is None:
        return column
    return pd.Series(read_numbers(words)[0], index=column.index, name=column.name)


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
    return _spread_read(words, np.array([_BOOLEANS.get(word, math.nan) for word in words.distinct], dtype=np.float64))


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


def _are_times(words: Sequence[str], readable_from: float) -> bool:
    sample = words[:_SAMPLE]
    return sum(1 for word in sample if _ISO_TIME.fullmatch(word)) >= readable_from * len(sample)


def _are_prose(words: Sequence[str], cells: int) -> bool:
    sample = words[:_SAMPLE]
    spaces = sum(word.count(" ") for word in sample)
    if spaces >= _PROSE_SPACES * len(sample) and sum(map(len, sample)) >= _PROSE_LENGTH * len(sample):
        return True
    return spaces >= _SENTENCE_SPACES * len(sample) and len(words) >= _DIFFERENT * cells
