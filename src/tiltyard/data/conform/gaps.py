"""Words that usually stand for a gap: which of them are values of a file's columns, and what is said of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from tiltyard.data.conform.kinds import choose_value_words, kind_of_words
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.conform.text_scan import find_words
from tiltyard.data.conform.written import WrittenColumn, kind_of_dtype, write_down
from tiltyard.findings import Finding
from tiltyard.formatting import format_count

GAP_WORD = "data.gap-word"

GapDecisions = Mapping[tuple[str, str], bool]
"""Of words by column and word: whether it is a value of the column."""


@dataclass(frozen=True)
class GapWord:
    """A usual word for gaps in a column of categories.

    Attributes:
        column: the column.
        word: the word.
        rows: how many cells hold it.
        value: whether it was taken as a value.
    """

    column: str
    word: str
    rows: int
    value: bool


def settle_gap_words(
    frame: pd.DataFrame,
    rules: ReadingRules,
    verbatim: Collection[str] = (),
    elsewhere: Collection[str] = (),
    decided: GapDecisions = MappingProxyType({}),
) -> tuple[pd.DataFrame, list[GapWord]]:
    """The frame with its words for gaps as missing cells; a word that is left is a value of its column.

    A word that is a gap in a column of numbers, booleans or times of the frame is one in all of its columns, and so is
    the only word of a column without empty cells.

    Args:
        frame: n rows.
        rules: how cells are read.
        verbatim: columns that are left as they are, such as the label.
        elsewhere: words that the reader found in columns of numbers, and that the frame no longer shows.
        decided: what other rows of the project decided of words.

    Returns:
        The frame, and each word for gaps that a column of categories held.
    """
    written = {
        position: words
        for position, name in enumerate(frame.columns)
        if name not in verbatim
        and kind_of_dtype(frame.iloc[:, position].dtype) not in _TYPED
        and _holds_gap_word(frame.iloc[:, position], rules)
        and (words := write_down(frame.iloc[:, position], {""}))
    }
    values = {position: _choose_values(words, rules) for position, words in written.items()}
    used = set(elsewhere)
    for position, words in written.items():
        plain = words.without(rules.gap_words)
        if not values[position] and kind_of_words(plain.distinct, plain.counts, rules=rules) in _TYPED:
            used |= rules.gap_words.intersection(words.distinct)
    found: list[GapWord] = []
    settled = frame.copy(deep=False)
    for position, words in written.items():
        name = str(frame.columns[position])
        kept = values[position] - used
        kept = frozenset(word for word in words.distinct if decided.get((name, word), word in kept))
        gaps = [word for word in words.distinct if word in rules.gap_words and word not in kept]
        counts = dict(zip(words.distinct, words.counts.tolist(), strict=True))
        found += [GapWord(name, word, counts[word], value=word in kept) for word in [*sorted(kept), *gaps]]
        if gaps:
            is_gap = np.array([*(word in gaps for word in words.distinct), False], dtype=np.bool_)[words.codes]
            settled.isetitem(position, frame.iloc[:, position].mask(is_gap).array)
    return settled, found


def list_gap_decisions(findings: Iterable[Finding]) -> GapDecisions:
    """What the findings of a reading say of words: by column and word, whether it is a value."""
    return {
        (found.subject, str(found.evidence["word"])): bool(found.evidence["value"])
        for found in findings
        if found.code == GAP_WORD
    }


def describe_gap_word(found: GapWord) -> Finding:
    """The finding for a word that may mean a gap or a value."""
    rows = format_count(found.rows, "row")
    read, step = (
        ("a value of this column", f'If it is a missing value, set data.gaps = ["{found.word}"] in the project file.')
        if found.value
        else ("a missing value", "If it is a value, set data.gaps in the project file to the words that are gaps ([]).")
    )
    return Finding(
        GAP_WORD,
        "info",
        found.column,
        "Word that may mean a gap",
        f"Column '{found.column}' holds the word '{found.word}' in {rows}; it is read as {read}.",
        score=float(found.rows),
        evidence={"word": found.word, "rows": found.rows, "value": found.value},
        next_step=step,
    )


_TYPED = ("number", "boolean", "time", "empty")


def _holds_gap_word(column: pd.Series, rules: ReadingRules) -> bool:
    if isinstance(column.dtype, pd.StringDtype):
        return bool(find_words(column, rules.gap_words))
    try:
        distinct = column.unique()
    except TypeError:  # lists and objects
        distinct = column.to_numpy()
    return any(isinstance(cell, str) and cell.strip() in rules.gap_words for cell in distinct)


def _choose_values(words: WrittenColumn, rules: ReadingRules) -> frozenset[str]:
    blanks = int(np.count_nonzero(words.codes < 0))
    return frozenset(choose_value_words(words.distinct, words.counts, blanks, rules))
