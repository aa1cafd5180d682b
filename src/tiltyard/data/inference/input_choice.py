"""Which columns a model learns from: the text of a text project, and what a table leaves out."""

from __future__ import annotations

from collections.abc import Sequence

from tiltyard.data.inference.column_facts import ColumnFacts
from tiltyard.data.inference.group_keys import explain_shared_key
from tiltyard.data.inference.marked_numbers import explain_marked_numbers
from tiltyard.formatting import format_count, format_percent

NESTED = "it holds lists or objects"
_LEAST_WORDS = 3.0
_NAME_WORDS = 2.0
_LONG_WORDS = 8.0
_MANY_FEATURES = 3
_MOST_MISSING = 0.95
_ONCE = 0.5
_NUMBERS = frozenset({"number", "no", "nr", "num", "id", "code"})
_LEAST_DIFFERENT = 50


def find_text(columns: Sequence[ColumnFacts], label: str) -> ColumnFacts | None:
    """The column of prose that a text project would learn from; None where the file is a table.

    Names of persons and things are not prose. Short texts next to several features are remarks in a table.
    """
    others = [facts for facts in columns if facts.name != label]
    prose = [facts for facts in others if _is_prose(facts)]
    features = [facts for facts in others if facts not in prose and not explain_left_out(facts)]
    if not prose:
        # Names and titles are something to learn from where there is nothing else.
        prose = [] if features else [facts for facts in others if _has_words(facts)]
    if not prose:
        return None
    longest = max(prose, key=lambda facts: facts.words)
    if longest.words < _LONG_WORDS and len(features) >= _MANY_FEATURES:
        return None
    return longest


def explain_left_out(facts: ColumnFacts) -> str:
    """Why a table does not learn from a column; empty if it does."""
    for explain in (_explain_structure, _explain_gaps, _explain_identifier, explain_shared_key, _explain_words):
        reason = explain(facts)
        if reason:
            return explain_marked_numbers(facts) or reason
    return ""


def _is_prose(facts: ColumnFacts) -> bool:
    if not _has_words(facts) or facts.names_things:
        return False
    return facts.kind == "text" or facts.words >= _LEAST_WORDS


def _has_words(facts: ColumnFacts) -> bool:
    if facts.column.nested or facts.kind not in ("text", "category"):
        return False
    mostly_different = facts.different >= max(2, _ONCE * facts.present)
    return facts.kind == "text" or (mostly_different and facts.words >= _NAME_WORDS)


def _explain_structure(facts: ColumnFacts) -> str:
    return NESTED if facts.column.nested else ""


def _explain_gaps(facts: ColumnFacts) -> str:
    if facts.present == 0:
        return "it is empty"
    if facts.missing_share > _MOST_MISSING:
        return f"{format_percent(facts.missing_share)} of its cells are empty"
    if facts.different == 1 and facts.present == facts.rows:
        return "it has the same value in every row"
    return ""


def _explain_identifier(facts: ColumnFacts) -> str:
    numbered = facts.kind == "number" and facts.name_parts[-1:] and facts.name_parts[-1] in _NUMBERS
    if numbered and not facts.column.identifier and facts.different == facts.rows >= _LEAST_DIFFERENT:
        whole = bool((facts.column.ordered % 1 == 0).all())
        return "it is a number that identifies rows" if whole else ""
    if not facts.column.identifier:
        return ""
    if facts.kind == "number":
        return "it numbers the rows" if facts.nameless else "it is a number that identifies rows"
    if facts.names_things and facts.words >= _NAME_WORDS:
        return "it holds names, another one in almost every row"
    return "it holds another value in almost every row"


def _explain_words(facts: ColumnFacts) -> str:
    if facts.kind == "text":
        return (
            "it holds names" if facts.names_things else "it holds texts, which a model of tables takes for categories"
        )
    if facts.kind == "category" and facts.different > max(_LEAST_DIFFERENT, _ONCE * facts.present):
        return f"most of its {format_count(facts.different, 'value')} occur once"
    return ""
