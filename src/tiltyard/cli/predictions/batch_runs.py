"""``tiltyard predictions runs``: the batch runs of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import format_time, print_json, print_line, print_table
from tiltyard.cli.versions.find_project import find_project
from tiltyard.jsonable import to_json_object

if TYPE_CHECKING:
    from tiltyard.ledger import BatchRun


@click.command("runs")
@project_option
@model_option
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, the latest first.")
@json_option
def batch_runs_command(project_path: Path | None, model_name: str | None, limit: int, as_json: bool) -> None:
    """List the batch runs: what was scored, where to, and what was found."""
    from tiltyard import wiring

    project = find_project(project_path, model_name, quiet=True)
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        runs = ledger.batch_runs.select(model_name=project.model_name, limit=limit)
    if as_json:
        print_json([to_json_object(run) for run in runs])
        return
    if not runs:
        print_line(
            "There is no batch run of {} yet. Score a table: tiltyard score FILE --to RESULT", project.model_name
        )
        return
    print_table(
        f"Batch runs of {project.model_name}",
        ("Run", "Began", "Version", "Rows", "Refused", "Source", "Result", "State"),
        (_to_cells(run) for run in runs),
    )


def _to_cells(run: BatchRun) -> tuple[object, ...]:
    state = "unfinished"
    if run.finished is not None:
        alarms = [str(found["code"]) for found in run.evidence.get("alarms", ())]
        state = ", ".join(dict.fromkeys(alarms)) or "nothing found"
    started = format_time(run.started)
    return run.id[:8], started, run.version, f"{run.rows:,}", f"{run.refused:,}", run.source, run.target, state
