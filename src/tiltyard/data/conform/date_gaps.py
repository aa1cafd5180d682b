"""Cells of date columns that cannot be read as dates and become missing values, as the project asks."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from tiltyard.data.conform.dates import read_moments
from tiltyard.data.conform.schema import TableSchema
from tiltyard.findings import Finding
from tiltyard.formatting import first_rows, format_count, join_rows, join_values

_SHOWN = 5


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
