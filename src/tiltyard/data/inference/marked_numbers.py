"""Columns of numbers that are none to a reader: a few words stand among them, or a sign stands at each."""

from __future__ import annotations

import re
import unicodedata

from tiltyard.data.conform.cells import number_pattern
from tiltyard.data.inference.column_facts import ColumnFacts
from tiltyard.formatting import format_count, join_values

_MOSTLY = 0.8
_FEW_WORDS = 3
_NUMBER = number_pattern(".", None)
_MARKED = re.compile(r"([^\d\s.,+-]*)\s*[+-]?\d[\d.,' ]*?\s*([^\d\s.,+-]*)")


def explain_marked_numbers(facts: ColumnFacts) -> str:
    """What keeps a column from being one of numbers: up to three words, or a sign such as $ or %; empty for others."""
    column = facts.column
    if column.nested or not column.coded or facts.kind not in ("text", "category"):
        return ""
    rows = {str(cell).strip(): int(count) for cell, count in zip(column.distinct, column.counts, strict=True)}
    words = {word: count for word, count in rows.items() if word and not _NUMBER.fullmatch(word)}
    if 0 < len(words) <= _FEW_WORDS and sum(words.values()) <= (1 - _MOSTLY) * facts.present:
        where = format_count(sum(words.values()), "row")
        options = " ".join(f"--gap '{word}'" for word in words)
        return f"it holds numbers but for {join_values(list(words))} in {where}; {options} reads them as missing cells"
    signs = {_find_sign(word) for word in facts.sample}
    if len(signs) == 1 and (sign := signs.pop()):
        return f"it holds numbers with '{sign}', such as '{facts.sample[0]}'; write them without it"
    return ""


def _find_sign(word: str) -> str:
    """The currency or percent sign of a number in text; empty where it is something else."""
    found = _MARKED.fullmatch(word)
    sign = found[1] or found[2] if found else ""
    both = bool(found and found[1] and found[2])
    return sign if len(sign) == 1 and not both and (sign in "%‰" or unicodedata.category(sign) == "Sc") else ""
