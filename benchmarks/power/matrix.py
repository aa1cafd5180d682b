"""The results as a matrix: a row for each story, a column for each kind of cut or fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.power.tally import Tally

Matrix = Mapping[str, Mapping[str, Tally]]
"""Tallies by story and column."""


def to_json(matrix: Matrix) -> dict[str, dict[str, dict[str, Any]]]:
    """The matrix with its figures by name."""
    return {
        story: {column: tally.to_dict() for column, tally in tallies.items() if tally.cuts}
        for story, tallies in matrix.items()
    }


def to_markdown(matrix: Matrix) -> str:
    """The matrix as a table: a cell is the number of cuts, or of those after which something was wrong, of all."""
    columns = list(dict.fromkeys(column for tallies in matrix.values() for column in tallies))
    lines = ["| | " + " | ".join([*columns, "lost", "corrupt"]) + " |", "|---|" + "--:|" * (len(columns) + 2)]
    for story, tallies in matrix.items():
        cells = [_cell(tallies.get(column, Tally())) for column in columns]
        total = sum_up({story: tallies})
        lines.append(f"| {story} | " + " | ".join([*cells, f"{total.lost:,}", f"{total.corrupt:,}"]) + " |")
    return "\n".join(lines)


def sum_up(matrix: Matrix) -> Tally:
    """All tallies together."""
    total = Tally()
    for tallies in matrix.values():
        for tally in tallies.values():
            total.add(tally)
    return total


def _cell(tally: Tally) -> str:
    return f"**{tally.wrong:,}** of {tally.cuts:,}" if tally.wrong else f"{tally.cuts:,}"
