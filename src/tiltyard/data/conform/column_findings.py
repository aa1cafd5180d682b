"""What reading made of the cells of columns: dates that cannot be read, numbers with the sign of a currency."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from tiltyard.data.conform.cells import parse_number
from tiltyard.data.conform.dates import read_moments
from tiltyard.data.conform.number_texts import guess_sign
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.conform.schema import TableSchema, TypedColumn
from tiltyard.data.conform.written import write_down
from tiltyard.findings import Finding
from tiltyard.formatting import first_rows, format_count, join_rows, join_values

_SHOWN = 5
_SAMPLE = 20


def describe_unread_dates(features: pd.DataFrame, schema: TableSchema) -> list[Finding]:
    """A finding for each column of dates with cells that are none, where ``data.unreadable_dates`` makes them gaps."""
    if schema.rules.unreadable_dates != "gap":
        return []
    found = []
    for name in (column.name for column in schema.columns if column.kind == "time"):
        cells = features[name]
        _, wrong = read_moments(cells, schema.rules)
        count = int(wrong.sum())
        if not count:
            continue
        become = "is" if count == 1 else "are"
        values = dict(Counter(map(str, cells[wrong])).most_common(_SHOWN))
        found.append(
            Finding(
                "data.unreadable-dates",
                "warning",
                name,
                "Dates that cannot be read",
                f"{format_count(count, 'cell')} of '{name}' cannot be read as a date and {become} "
                f"missing: {join_values(values)} ({join_rows(first_rows(wrong), count)}).",
                score=count / len(cells),
                evidence={"count": count, "values": values, "rows": first_rows(wrong)},
                next_step="Correct them, or state how they are written (data.dates). With data.unreadable_dates = "
                '"refuse" such data is refused.',
            )
        )
    return found


def describe_number_signs(features: pd.DataFrame, schema: TableSchema) -> list[Finding]:
    """A finding for each column of numbers with a sign of percent or of a currency, also where their signs differ."""
    found = []
    for column in schema.columns:
        if column.kind == "number" and column.sign:
            found.append(_describe_sign(column, features[column.name], schema.rules))
        elif column.kind == "category" and (signs := _find_mixed_signs(features[column.name], schema)):
            found.append(_describe_mixed_signs(column.name, signs))
    return found


def _describe_sign(column: TypedColumn, cells: pd.Series, rules: ReadingRules) -> Finding:
    words = write_down(cells, rules.gap_words).distinct
    example = next((word for word in words if guess_sign(word)), "")
    bare = next((word for word in words if not guess_sign(word)), "")
    message = f"'{column.name}' holds numbers with '{column.sign}', as in the version before"
    if example:
        number = parse_number(example, rules, column.sign)
        message = f"'{column.name}' holds numbers with '{column.sign}': '{example}' is read as {number:.10g}"
    return Finding(
        "data.number-sign",
        "info",
        column.name,
        "Numbers with a sign",
        message + (f". '{bare}' lacks it, and is read as the same kind of number." if bare else "."),
        evidence={"sign": column.sign, "cell": example or bare},
        next_step="Nothing; in requests and files such a number may come with the sign or without it.",
    )


def _find_mixed_signs(cells: pd.Series, schema: TableSchema) -> dict[str, str]:
    """The signs of a column of numbers, each with a cell; empty where they are alike, or a cell is something else."""
    first = cells.dropna().head(_SAMPLE)
    if not any(isinstance(cell, str) and _read_signed(cell.strip(), schema) for cell in first):
        return {}
    signs: dict[str, str] = {}
    for word in write_down(cells, schema.rules.gap_words).distinct:
        if not _read_signed(word, schema):
            return {}
        signs.setdefault(guess_sign(word), word)
    return signs if len(signs) > 1 else {}


def _read_signed(word: str, schema: TableSchema) -> bool:
    return parse_number(word, schema.rules, guess_sign(word)) is not None


def _describe_mixed_signs(name: str, signs: dict[str, str]) -> Finding:
    named = ", ".join(f"'{sign}'" for sign in signs if sign)
    return Finding(
        "data.mixed-signs",
        "warning",
        name,
        "Numbers with different signs",
        f"'{name}' holds numbers with {named}{', and some without a sign' if '' in signs else ''} "
        f"({join_values(signs.values())}); it is read as a column of categories.",
        evidence={"signs": signs},
        next_step="Write all of its cells with the same sign, or without one, and it is a column of numbers.",
    )
