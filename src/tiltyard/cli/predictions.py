"""``tiltyard predictions``: what was answered, counted or exported."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard import wiring
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console, print_json, print_pairs
from tiltyard.cli.times import moment
from tiltyard.errors import UsageError
from tiltyard.ledger import ExportFormat, export_predictions
from tiltyard.monitoring import PredictionCollector
from tiltyard.project import load_project


@click.group()
def predictions() -> None:
    """Count or export the recorded predictions."""


@predictions.command()
@project_option
@json_option
def stats(project_path: Path | None, as_json: bool) -> None:
    """Count the predictions by label and version."""
    project = load_project(project_path)
    with wiring.ledger(wiring.settings(project)) as ledger:
        counted = PredictionCollector(project.model_name, ledger).get_prediction_stats()
    if as_json:
        print_json(counted)
        return
    print_pairs(
        (key.replace("_", " "), ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else value)
        for key, value in counted.items()
    )


@predictions.command()
@project_option
@click.option("--to", "destination", type=click.Path(path_type=Path), default=None, help="File to write.")
@click.option("--since", default=None, help="Only from this time on (ISO 8601).")
@click.option("--until", default=None, help="Only before this time (ISO 8601).")
@click.option("--version", default=None, help="Only answers of this version.")
@json_option
def export(
    project_path: Path | None,
    destination: Path | None,
    since: str | None,
    until: str | None,
    version: str | None,
    as_json: bool,
) -> None:
    """Write the predictions to a JSON Lines or Parquet file (by the file's ending).

    The default is logs/predictions.jsonl beside the project file.
    """
    project = load_project(project_path)
    target = destination or project.root / "logs" / "predictions.jsonl"
    kinds: dict[str, ExportFormat] = {".jsonl": "jsonl", ".parquet": "parquet"}
    if target.suffix not in kinds:
        raise UsageError(f"{target} ends in {target.suffix!r}.", next_step="Name a .jsonl or a .parquet file.")
    with wiring.ledger(wiring.settings(project)) as ledger:
        written = export_predictions(
            ledger,
            target,
            format=kinds[target.suffix],
            project=project.model_name,
            since=moment("--since", since),
            until=moment("--until", until),
            version=version,
        )
    if as_json:
        print_json({"file": str(target), "predictions": written})
        return
    console.print(f"Wrote {written:,} predictions to [bold]{target}[/bold].")
