"""What a first project file leaves out or decides, as findings."""

from __future__ import annotations

from tiltyard.data.conform.rules import GAP_WORDS
from tiltyard.data.inference.column_facts import NAMELESS
from tiltyard.data.inference.infer_columns import InferredColumns
from tiltyard.findings import Finding
from tiltyard.formatting import join_names, join_values


def describe_guess(guess: InferredColumns) -> list[Finding]:
    """A finding for each column that is left out, and for classes that are called like gaps."""
    found = [_left_out_finding(column.name, column.reason) for column in guess.columns if column.role == "left out"]
    nameless = [
        column.name for column in guess.columns if column.role == "not used" and NAMELESS.fullmatch(column.name.strip())
    ]
    if nameless:
        found.append(_left_out_finding(join_names(nameless), "the header has no name for it"))
    words = [name for name in guess.classes if name in GAP_WORDS]
    return found + ([_gap_words_finding(guess.label, words)] if words else [])


def _left_out_finding(name: str, reason: str) -> Finding:
    return Finding(
        "data.column-left-out",
        "info",
        name,
        "Column that is left out",
        f"'{name}' is left out: {reason}.",
        next_step="Keep it with --keep, if it is a feature.",
    )


def _gap_words_finding(label: str, words: list[str]) -> Finding:
    return Finding(
        "data.gap-word-class",
        "warning",
        label,
        "Class that is called like a gap",
        f"{join_values(words)} {'is a class' if len(words) == 1 else 'are classes'} of '{label}', not a gap.",
        evidence={"classes": words},
        next_step="If it means that a label is missing, declare it as a gap in data.gaps.",
    )
