"""``tiltyard runs``: list, search and compare the runs of the project's experiment."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_table
from tiltyard.cli.versions.find_project import find_project
from tiltyard.formatting import format_count

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_METRICS = ("accuracy", "f1", "log_loss", "fit_seconds")


@click.command()
@click.argument("run_ids", nargs=-1)
@project_option
@model_option
@click.option("--filter", "condition", default="", help="MLflow search expression, such as: metrics.accuracy > 0.9")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Maximum number of runs.")
@json_option
def runs_command(
    run_ids: tuple[str, ...],
    project_path: Path | None,
    model_name: str | None,
    condition: str,
    limit: int,
    as_json: bool,
) -> None:
    """List, search and compare the runs of the project's experiment.

    With RUN_IDS (the first characters are enough) the command compares these runs and shows what differs.
    """
    from tiltyard import wiring

    project = find_project(project_path, model_name)
    tracker = wiring.open_tracker(project, wiring.load_settings(project))
    if run_ids:
        compared = tracker.compare_runs([tracker.find_run(run_id) for run_id in run_ids])
        _print_comparison(compared, as_json=as_json)
        return
    found = tracker.search_runs(condition, limit)
    if as_json:
        print_json([_to_json_values(row) for row in found.to_dict(orient="records")])
        return
    if found.empty:
        console.print(f"No run of {project.name} {'matches' if condition else 'yet: run tiltyard train'}.")
        return
    metric = project.training.metric
    metrics = [name for name in dict.fromkeys((metric, *DEFAULT_METRICS)) if f"metrics.{name}" in found]
    print_table(
        f"{project.name}: {format_count(len(found), 'run')}",
        ("Run", "Name", "State", "Started", *metrics),
        (
            (
                row["run_id"][:8],
                row["run_name"],
                row["status"],
                row["start_time"].to_pydatetime(),
                *(_number_or_none(row[f"metrics.{name}"]) for name in metrics),
            )
            for row in found.to_dict(orient="records")
        ),
    )


def _print_comparison(compared: pd.DataFrame, *, as_json: bool) -> None:
    if as_json:
        print_json({str(run): _to_json_values(values) for run, values in compared.to_dict().items()})
        return
    differing = compared[compared.nunique(axis=1, dropna=False) > 1]
    alike = len(compared) - len(differing)
    print_table(
        f"Differences ({alike} equal values are left out; --json has all)",
        ("", *(str(run)[:8] for run in differing.columns)),
        (
            (name, *map(_number_or_none, values))
            for name, values in zip(differing.index, differing.to_numpy(), strict=True)
        ),
    )


def _to_json_values(values: Any) -> dict[str, Any]:
    """Values for JSON, without those that a run lacks."""
    return {str(name): value for name, value in values.items() if _number_or_none(value) is not None}


def _number_or_none(value: Any) -> Any:
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else value
