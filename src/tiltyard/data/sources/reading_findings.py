"""What a reader renamed or left out, as findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tiltyard.findings import Finding
from tiltyard.formatting import choose_form, format_count, join_names


def describe_repeated_names(names: Sequence[str], read: Sequence[str]) -> list[Finding]:
    """A finding for each name that several columns of a header have, with the names that they are read by.

    Args:
        names: the n names of the header.
        read: the n names that the columns got.
    """
    found = []
    for name, count in Counter(names).items():
        if count < 2 or not name.strip():
            continue
        given = [new for old, new in zip(names, read, strict=True) if old == name]
        found.append(
            Finding(
                "data.repeated-name",
                "warning",
                name,
                "Columns of the same name",
                f"{format_count(count, 'column')} of the header are called '{name}'; they are read as "
                f"{join_names(given)}.",
                evidence={"columns": given},
                next_step="Give each column a name that says what it holds.",
            )
        )
    return found


def describe_repeated_header(file: str, rows: int) -> Finding:
    """The finding for rows that repeat the header."""
    return Finding(
        "data.repeated-header",
        "warning",
        "rows",
        "Header among the rows",
        f"{format_count(rows, 'row')} of {file} {choose_form(rows, 'repeats', 'repeat')} the header, and "
        f"{choose_form(rows, 'is', 'are')} left out.",
        score=float(rows),
        evidence={"file": file, "rows": rows},
        next_step="Nothing, if files were put one after the other; else check these rows.",
    )


def describe_trailing_cell(file: str, rows: int) -> Finding:
    """The finding for a file whose rows end with a separator that its header lacks."""
    return Finding(
        "data.trailing-cell",
        "info",
        "columns",
        "Rows end with a separator",
        f"Each of the {format_count(rows, 'row')} of {file} ends with an empty cell that the header has no name for; "
        "it is left out.",
        score=float(rows),
        evidence={"file": file, "rows": rows},
        next_step="Nothing, if the file is right; else give the last column a name.",
    )


def describe_other_sheets(file: str, sheet: str, others: Sequence[str]) -> Finding:
    """The finding for a workbook of several sheets, of which one is read."""
    return Finding(
        "data.other-sheets",
        "info",
        sheet,
        "Workbook with several sheets",
        f"{file} has {format_count(len(others) + 1, 'sheet')}: '{sheet}' is read, {join_names(list(others))} "
        f"{'is' if len(others) == 1 else 'are'} not.",
        evidence={"read": sheet, "others": list(others)},
        next_step='Name another one, if it is meant: data.sheet = "NAME" (tiltyard init --sheet NAME).',
    )
