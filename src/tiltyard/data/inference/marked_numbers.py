"""Columns of numbers that are none to a reader: a few words stand among them, or signs that differ."""

from __future__ import annotations

from tiltyard.data.conform.number_texts import drop_sign, guess_sign, number_pattern
from tiltyard.data.inference.column_facts import ColumnFacts
from tiltyard.formatting import format_count, join_values

_MOSTLY = 0.8
_FEW_WORDS = 3
_NUMBER = number_pattern(".", None)


def explain_marked_numbers(facts: ColumnFacts) -> str:
    """What keeps a column from being one of numbers: up to three words, or different signs; empty for others."""
    return explain_few_words(facts) or _explain_signs(facts)


def explain_few_words(facts: ColumnFacts) -> str:
    """Which up to three words keep a column from being one of numbers, and the option that reads them as missing."""
    words = {word: count for word, count in _count_words(facts).items() if word and not _is_number(word)}
    if not 0 < len(words) <= _FEW_WORDS or sum(words.values()) > (1 - _MOSTLY) * facts.present:
        return ""
    where = format_count(sum(words.values()), "row")
    options = " ".join(f"--gap '{word}'" for word in words)
    return f"it holds numbers but for {join_values(list(words))} in {where}; {options} reads them as missing cells"


def _explain_signs(facts: ColumnFacts) -> str:
    words = [word for word in _count_words(facts) if word]
    cells = {guess_sign(word): word for word in words}
    if len(cells) < 2 or not all(map(_is_number, words)):
        return ""
    return f"its numbers have different signs ({join_values(cells.values())}); write them without"


def _count_words(facts: ColumnFacts) -> dict[str, int]:
    """Rows by word; none for a column that is not one of words."""
    column = facts.column
    if column.nested or not column.coded or facts.kind not in ("text", "category"):
        return {}
    return {str(cell).strip(): int(count) for cell, count in zip(column.distinct, column.counts, strict=True)}


def _is_number(word: str) -> bool:
    return _NUMBER.fullmatch(drop_sign(word, guess_sign(word))) is not None
