"""What a first project file leaves out or decides, as findings."""

from __future__ import annotations

from tiltyard.data.conform.rules import GAP_WORDS
from tiltyard.data.inference.column_facts import NAMELESS
from tiltyard.data.inference.infer_columns import InferredColumns
from tiltyard.data.inference.input_choice import NESTED
from tiltyard.findings import Finding
from tiltyard.formatting import choose_form, join_names, join_values


def describe_guess(guess: InferredColumns) -> list[Finding]:
    """A finding for each column that is left out, and for classes that are called like gaps."""
    found = [_left_out_finding([column.name], column.reason) for column in guess.columns if column.role == "left out"]
    unused = [column for column in guess.columns if column.role == "not used"]
    nested = [column.name for column in unused if column.kind == "list"]
    nameless = [column.name for column in unused if NAMELESS.fullmatch(column.name.strip())]
    found += [
        _left_out_finding(names, reason)
        for names, reason in ((nested, NESTED), (nameless, "the header has no name for it"))
        if names
    ]
    words = [name for name in guess.classes if name in GAP_WORDS]
    return found + ([_gap_words_finding(guess.label, words)] if words else [])


def _left_out_finding(names: list[str], reason: str) -> Finding:
    quoted = join_names([f"'{name}'" for name in names])
    return Finding(
        "data.column-left-out",
        "info",
        join_names(names),
        "Column that is left out",
        f"{quoted} {choose_form(len(names), 'is', 'are')} left out: {reason}.",
        evidence={"columns": names},
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
