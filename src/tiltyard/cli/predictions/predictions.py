"""``tiltyard predictions``: what was answered, counted or exported."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from tiltyard import wiring
from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console, print_json, print_pairs, say
from tiltyard.cli.time_options import parse_time
from tiltyard.errors import UsageError
from tiltyard.ledger import ExportFormat, export_predictions
from tiltyard.monitoring import PredictionCollector
from tiltyard.pipeline.jobs.prediction_retention import RetentionRequest, Subject, find_predictions, remove_predictions
from tiltyard.pipeline.jobs.prediction_retention import prune as prune_predictions
from tiltyard.project import load_project


@click.group()
def predictions() -> None:
    """Count, export, prune or erase the recorded predictions."""


@predictions.command()
@project_option
@json_option
def stats(project_path: Path | None, as_json: bool) -> None:
    """Count the predictions by label and version."""
    project = load_project(project_path)
    with open_current_ledger(wiring.load_settings(project)) as ledger:
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
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        written = export_predictions(
            ledger,
            target,
            format=kinds[target.suffix],
            project=project.model_name,
            since=parse_time("--since", since),
            until=parse_time("--until", until),
            version=version,
        )
    if as_json:
        print_json({"file": str(target), "predictions": written})
        return
    say("Wrote {:,} predictions to [bold]{}[/bold].", written, target)


@predictions.command()
@project_option
@click.option("--days", type=float, default=None, help="Keep the last days.  [default: [monitoring] keep_days]")
@json_option
def prune(project_path: Path | None, days: float | None, as_json: bool) -> None:
    """Erase the predictions that are older than some days, with their labels.

    Findings, decisions and the profiles of past hours stay: they hold no inputs.
    """
    project = load_project(project_path)
    keep = days if days is not None else project.monitoring.keep_days
    if keep is None or not keep > 0:
        raise UsageError(
            "It is not said how many days predictions are kept.",
            next_step="Give --days, or set keep_days in [monitoring] of the project file.",
        )
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        gone = prune_predictions(ledger, project.model_name, keep=timedelta(days=keep), actor=wiring.current_actor())
    if as_json:
        print_json({"erased": gone, "keep_days": keep})
        return
    console.print(f"Erased {gone:,} predictions that were older than {keep:g} days.")


@predictions.command()
@project_option
@click.option("--key", default=None, help="The caller's own key: all predictions of that subject.")
@click.option("--id", "prediction_id", default=None, help="The id of one prediction.")
@click.option("--containing", default=None, help="Words that the input holds, in any case; reads every input.")
@click.option("--keep-answers", is_flag=True, help="Only take out the inputs and keys; answers and labels stay.")
@click.option("--reason", required=True, help="Why, for the record of decisions.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase(
    project_path: Path | None,
    key: str | None,
    prediction_id: str | None,
    containing: str | None,
    keep_answers: bool,
    reason: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase or redact the predictions about somebody.

    The decision is recorded with its reason and how many they were, without the key and the content. Files that were
    exported before, backups, and training data are not touched.
    """
    subject = Subject(key, prediction_id, containing)
    if as_json and not yes:
        raise UsageError("With --json nobody can be asked.", next_step="Add --yes.")
    project = load_project(project_path)
    order = RetentionRequest("redacted" if keep_answers else "erased", wiring.current_actor(), reason)
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        found = find_predictions(ledger, project.model_name, subject)
        if found and not yes:
            does = "Take out the inputs of" if keep_answers else "Erase"
            click.confirm(f"{does} {len(found):,} predictions, for good?", abort=True)
        changed = remove_predictions(ledger, project.model_name, found, order, subject.named_by) if found else 0
    if as_json:
        print_json({order.act: changed, "named_by": subject.named_by})
        return
    console.print(
        f"{changed:,} predictions {order.act}." if changed else "No prediction is meant; nothing was changed."
    )
