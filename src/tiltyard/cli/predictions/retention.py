"""``tiltyard predictions prune`` and ``erase``: delete old predictions, and those about one person."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from tiltyard import wiring
from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UsageError
from tiltyard.formatting import format_count
from tiltyard.pipeline.jobs.prediction_retention import (
    RetentionRequest,
    Subject,
    find_predictions,
    prune,
    remove_predictions,
)
from tiltyard.promotion.ab_test import find_group_key


@click.command("prune")
@project_option
@model_option
@click.option("--days", type=float, default=None, help="Keep the last days.  [default: [monitoring] keep_days]")
@json_option
def prune_predictions_command(
    project_path: Path | None, model_name: str | None, days: float | None, as_json: bool
) -> None:
    """Delete the predictions that are older than some days, with their labels.

    Findings, decisions and the hourly profiles stay: they contain no inputs.
    """
    project = find_project(project_path, model_name, quiet=True)
    keep = days if days is not None else project.monitoring.keep_days
    if keep is None or not keep > 0:
        raise UsageError(
            "The number of days to keep is not set.",
            next_step="Give --days, or set keep_days in [monitoring] of the project file.",
        )
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        erased = prune(ledger, project.model_name, keep=timedelta(days=keep), actor=wiring.current_actor())
    if as_json:
        print_json({"erased": erased, "keep_days": keep})
        return
    console.print(f"Deleted {erased:,} predictions that were older than {keep:g} days.")


@click.command()
@project_option
@model_option
@click.option("--key", default=None, help="Predictions with this key, which the caller sent.")
@click.option("--id", "prediction_id", default=None, help="The prediction with this id.")
@click.option("--containing", default=None, help="Predictions whose input contains these words, in any case (slow).")
@click.option("--redact", is_flag=True, help="Remove only inputs and keys; predicted labels and feedback stay.")
@click.option("--reason", required=True, help="Why; recorded with the decision.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def erase_command(
    project_path: Path | None,
    model_name: str | None,
    key: str | None,
    prediction_id: str | None,
    containing: str | None,
    redact: bool,
    reason: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase or redact the predictions about a person.

    The ledger records the decision with its reason and the number of predictions, without the key or any content.
    Earlier exports, backups and training data are not changed.
    """
    subject = Subject(key, prediction_id, containing)
    if as_json and not yes:
        raise UsageError("--json cannot ask for confirmation.", next_step="Add --yes.")
    project = find_project(project_path, model_name, quiet=True)
    request = RetentionRequest("redacted" if redact else "erased", wiring.current_actor(), reason)
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        found = find_predictions(ledger, project.model_name, subject)
        if found and not yes:
            action = "Redact" if redact else "Erase"
            click.confirm(f"{action} {format_count(len(found), 'prediction')} permanently?", abort=True)
        group_key = find_group_key(project)
        changed = (
            remove_predictions(ledger, project.model_name, found, request, subject.named_by, group_key) if found else 0
        )
    if as_json:
        print_json({request.act: changed, "named_by": subject.named_by})
        return
    console.print(f"{changed:,} predictions {request.act}." if changed else "No prediction matches; nothing changed.")
