"""What kind of values a column holds: one type and one decision, the same for every format.

CSV, JSON and Parquet say different things about the same values: one has text where another has numbers, whole
numbers turn into fractions next to a gap, booleans into objects. So columns of anything but plain numbers are decided
by what their cells say when written down, as in a CSV file:

- **number**: the cells read as numbers, also where each has the same sign of percent or of a currency; words that start
  with a needless zero (``00123``) are codes, not numbers.
- **boolean**: every cell is true or false, or one of the words that CSV readers read as such (``True``, ``FALSE``, …).
  ``Yes`` and ``No`` stay words.
- **time**: the cells are dates or times: ISO 8601, or as the project says (``data.dates``).
- **text**: the cells are prose: long, or several words each and hardly ever the same.
- **category**: anything else, as text without outer white space.
- **empty**: no cell has a value.

White space and the usual words for gaps (``NA``, ``null``, …) are missing values in all of them, but for categories
that are called so (see `choose_value_words`). Formats that can say more are believed: a Parquet category stays a
category, even of numbers.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.cells import BOOLEAN_WORDS
from tiltyard.data.conform.dates import is_bare_day, looks_like_date, read_moments
from tiltyard.data.conform.number_texts import find_sign
from tiltyard.data.conform.rules import GAP_WORDS, USUAL_RULES, ReadingRules
from tiltyard.data.conform.written import (
    ColumnKind,
    WrittenColumn,
    kind_of_dtype,
    numbers_of_words,
    read_numbers,
    write_down,
)

TIME_STEP = "Write times like 2026-01-31T12:00:00Z or as numbers, or state how they are written in data.dates."

# A column of words counts as numbers or times from this share of readable cells on, where the rest may be reported.
READABLE_FROM = 0.9

_SAMPLE = 1000
_DIGITS = 8  # of a date without separators; fewer are likelier an amount
_SAID_WORDS = frozenset({"N/A", "NA", "NULL", "None", "n/a", "null"})  # those that people write, too
_PROSE_LENGTH, _PROSE_SPACES = 40, 5  # characters and spaces of a cell, on average
_SENTENCE_SPACES = 3  # enough where at least half of the cells differ
_DIFFERENT = 0.5


@dataclass(frozen=True, eq=False)
class KindDecision:
    """What a column was found to be.

    Attributes:
        kind: its kind.
        words: its words without its gaps, where they decided; None where the dtype did.
        value_words: words that are values of it although they usually stand for a gap.
        sign: of percent or of a currency, that all of its numbers are written with.
    """

    kind: ColumnKind
    words: WrittenColumn | None = None
    value_words: tuple[str, ...] = ()
    sign: str = ""


def decide_kind(column: pd.Series, rules: ReadingRules = USUAL_RULES) -> KindDecision:
    """The kind of a column whose cells all have to be of it, and its words where they decided."""
    if column.isna().all():
        return KindDecision("empty")
    kind = kind_of_dtype(column.dtype)
    if kind == "boolean" or (kind == "number" and not _are_written_dates(column, rules)):
        return KindDecision(kind)
    words = write_down(column, {""})
    values = choose_value_words(words.distinct, words.counts, int(np.count_nonzero(words.codes < 0)), rules)
    words = words.without(rules.gap_words.difference(values))
    if kind is None or kind == "number":
        kind = "category" if values else kind_of_words(words.distinct, words.counts, rules=rules)
    sign = find_sign(words.distinct) if kind == "number" else ""
    return KindDecision(kind if words.distinct else "empty", words, values, sign)


def choose_value_words(
    words: Sequence[str], counts: Sequence[int] | NDArray[np.intp], blanks: int, rules: ReadingRules = USUAL_RULES
) -> tuple[str, ...]:
    """The usual words for gaps that are values of a column: a region ``NA``, a plan ``None``.

    A word is a value where the column holds categories and the word is as usual as they are: it occurs at least half as
    often as the median of them; where the column has empty cells, which a file with a word for gaps has not, at least
    as often as the rarest. Where a column holds nothing else, its words are values if there are two of them, or empty
    cells too. What programs write for a missing number (``NaN``, ``<NA>``, …) needs such empty cells. A
    project that states its words for gaps (``data.gaps``) leaves nothing to choose.

    Args:
        words: k distinct words without outer white space.
        counts: how often each occurs.
        blanks: how many cells are empty.
        rules: how cells are read.
    """
    gaps = {word: int(count) for word, count in zip(words, counts, strict=True) if word in GAP_WORDS and word}
    if not gaps or rules.gaps is not None:
        return ()
    others = {word: int(count) for word, count in zip(words, counts, strict=True) if word not in GAP_WORDS}
    if not others:
        said = tuple(sorted(word for word, count in gaps.items() if count > 1 and word in _SAID_WORDS))
        return said if blanks or len(said) > 1 else ()
    if kind_of_words(list(others), np.array(list(others.values())), rules=rules) != "category":
        return ()
    least = max(2.0, min(others.values()) if blanks else statistics.median(others.values()) / 2)
    return tuple(sorted(word for word, count in gaps.items() if count >= least and (blanks or word in _SAID_WORDS)))


def kind_of_words(
    words: Sequence[str],
    counts: NDArray[np.int64] | NDArray[np.intp],
    *,
    readable_from: float = 1.0,
    rules: ReadingRules = USUAL_RULES,
) -> ColumnKind:
    """The kind of a column by its k distinct words without outer white space, and how often each occurs.

    Words for gaps do not count. Numbers and times need a share of ``readable_from`` of the cells.
    """
    gaps = rules.gap_words
    known = [(word, int(count)) for word, count in zip(words, counts, strict=True) if word not in gaps]
    if not known:
        return "empty"
    distinct = [word for word, _ in known]
    if all(word in BOOLEAN_WORDS for word in distinct):
        return "boolean"
    cells = sum(count for _, count in known)
    if _are_declared_digits(distinct, rules):
        return "time"
    numbers = numbers_of_words(distinct, rules)
    if numbers is not None:
        readable = sum(count for (_, count), number in zip(known, numbers, strict=True) if not math.isnan(number))
        if readable >= readable_from * cells:
            return "number"
    if _are_times(distinct, min(readable_from, READABLE_FROM if rules.unreadable_dates == "gap" else 1.0), rules):
        return "time"
    return "text" if _are_prose(distinct, cells) else "category"


def numeric_if_written_as_text(column: pd.Series) -> pd.Series:
    """A column of numbers written as text as float64 with its gaps missing; any other column as it is."""
    decided = decide_kind(column)
    if decided.kind != "number" or decided.words is None:
        return column
    return pd.Series(read_numbers(column)[0], index=column.index, name=column.name)


def read_row_times(values: pd.Series, rules: ReadingRules) -> tuple[pd.Series, NDArray[np.bool_]]:
    """The times of n rows, and n booleans: rows without one.

    Returns:
        Numbers as they are, which grow with time; of anything else days and times (``datetime64[us]``, NaT where there
        is none) as a clock in the project's zone shows them. The second is true for missing and unreadable cells.
    """
    if pd.api.types.is_numeric_dtype(values.dtype) and decide_kind(values, rules).kind != "time":
        return values, np.asarray(values.isna(), dtype=np.bool_)
    moments, _ = read_moments(values, rules)
    return pd.Series(moments, index=values.index, name=values.name), np.isnat(moments)


def _are_times(words: Sequence[str], readable_from: float, rules: ReadingRules) -> bool:
    dates = 0
    for part in (words[:_SAMPLE], words):
        dates = sum(looks_like_date(word, rules) for word in part)
        bare = 0 if dates == len(part) else sum(map(is_bare_day, part))
        if dates + bare < readable_from * len(part):
            return False
    return dates > 0


def _are_written_dates(column: pd.Series, rules: ReadingRules) -> bool:
    """Whether a column of numbers holds dates in digits, which the project's format declares (``"%Y%m%d"``)."""
    return "%" in rules.dates and _are_declared_digits(write_down(column).distinct, rules)


def _are_declared_digits(words: Sequence[str], rules: ReadingRules) -> bool:
    if "%" not in rules.dates:
        return False
    return all(len(word) >= _DIGITS and word.isdigit() and looks_like_date(word, rules) for word in words)


def _are_prose(words: Sequence[str], cells: int) -> bool:
    sample = words[:_SAMPLE]
    spaces = sum(word.count(" ") for word in sample)
    if spaces >= _PROSE_SPACES * len(sample) and sum(map(len, sample)) >= _PROSE_LENGTH * len(sample):
        return True
    return spaces >= _SENTENCE_SPACES * len(sample) and len(words) >= _DIFFERENT * cells
