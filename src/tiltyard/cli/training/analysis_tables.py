"""What the evaluation of a trained version has found, as short tables on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.cli.output import console, print_table

if TYPE_CHECKING:
    from tiltyard.registry.package.stored_evaluation import StoredEvaluation


def print_evaluation(stored: StoredEvaluation) -> None:
    """Print guessing, the confusion matrix, what the version goes by, how that changed, and how groups are treated."""
    from tiltyard.monitoring.report.evaluation_tables import evaluation_tables

    for table in evaluation_tables(stored):
        console.print(f"\n{table.title}", style="bold")
        console.print(table.note)
        if table.rows:
            print_table("", table.heads, table.rows)
