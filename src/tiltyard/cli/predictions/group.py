"""``tiltyard predictions``: count, export, prune or erase the recorded predictions, and list what was set aside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import print_counts, print_json, print_line
from tiltyard.cli.predictions.batch_runs import batch_runs_command
from tiltyard.cli.predictions.retention import erase_command, prune_predictions_command
from tiltyard.cli.predictions.set_aside import set_aside_command
from tiltyard.cli.time_options import parse_time
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from tiltyard.ledger import ExportFormat


_WORDS = {"sentiment_distribution": "label distribution"}


@click.group()
def predictions_group() -> None:
    """Count, export, prune or erase the recorded predictions."""


@predictions_group.command("stats")
@project_option
@model_option
@json_option
def prediction_stats_command(project_path: Path | None, model_name: str | None, as_json: bool) -> None:
    """Count the predictions by label and version."""
    from tiltyard import wiring
    from tiltyard.monitoring import PredictionCollector

    project = find_project(project_path, model_name, quiet=True)
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        counts = PredictionCollector(project.model_name, ledger).get_prediction_stats()
    if as_json:
        print_json(counts)
        return
    # The requirements' name for the counts by label; few models tell sentiments.
    print_counts({_WORDS.get(name, name): value for name, value in counts.items()})


@predictions_group.command("export")
@project_option
@model_option
@click.option("--to", "destination", type=click.Path(path_type=Path), default=None, help="File to write.")
@click.option("--since", default=None, help="Only since this time (ISO 8601).")
@click.option("--until", default=None, help="Only before this time (ISO 8601).")
@click.option("--version", default=None, help="Only predictions of this version.")
@json_option
def export_predictions_command(
    project_path: Path | None,
    model_name: str | None,
    destination: Path | None,
    since: str | None,
    until: str | None,
    version: str | None,
    as_json: bool,
) -> None:
    """Write the predictions to a JSON Lines or Parquet file.

    The file's ending selects the format. The default is logs/predictions.jsonl in the project's folder.
    """
    from tiltyard import wiring
    from tiltyard.ledger import export_predictions

    project = find_project(project_path, model_name, quiet=True)
    target = destination or project.root / "logs" / "predictions.jsonl"
    formats: dict[str, ExportFormat] = {".jsonl": "jsonl", ".parquet": "parquet"}
    if target.suffix not in formats:
        raise UsageError(f"{target} ends in {target.suffix!r}.", next_step="Name a .jsonl or a .parquet file.")
    first, last = parse_time("--since", since), parse_time("--until", until)
    if first is not None and last is not None and first >= last:
        raise UsageError(
            f"--since {since} is not before --until {until}.", next_step="Give the earlier of the two with --since."
        )
    name = project.model_name
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        if version is not None and next(ledger.predictions(project=name, version=version, limit=1), None) is None:
            raise NotFoundError(
                f"The ledger holds no prediction of version '{version}' of {name}.",
                next_step="List the versions with predictions: tiltyard predictions stats",
                code="ledger.no-predictions",
            )
        written = export_predictions(
            ledger, target, format=formats[target.suffix], project=name, since=first, until=last, version=version
        )
    if as_json:
        print_json({"file": str(target), "predictions": written})
        return
    print_line("Wrote {:,} predictions to [bold]{}[/bold].", written, target)


predictions_group.add_command(prune_predictions_command)
predictions_group.add_command(erase_command)
predictions_group.add_command(set_aside_command)
predictions_group.add_command(batch_runs_command)
