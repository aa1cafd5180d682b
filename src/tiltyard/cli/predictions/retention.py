"""``tiltyard predictions prune`` and ``erase``: delete old predictions, and those about one person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.main import EXIT_DONE, EXIT_FAILED
from tiltyard.cli.options import DAY_COUNT, json_option, model_option, project_option
from tiltyard.cli.output import console, print_json
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UnavailableError, UsageError
from tiltyard.formatting import format_count

if TYPE_CHECKING:
    from tiltyard.ledger import Prediction
    from tiltyard.pipeline.jobs.prediction_retention import Removal, Subject


@click.command("prune")
@project_option
@model_option
@click.option("--days", type=DAY_COUNT, default=None, help="Keep the last days.  [default: [monitoring] keep_days]")
@json_option
def prune_predictions_command(
    project_path: Path | None, model_name: str | None, days: float | None, as_json: bool
) -> None:
    """Delete the predictions that are older than some days, with their labels.

    Those that a server of another host still brings stay deleted. Findings, decisions and the hourly profiles stay:
    they contain no inputs.
    """
    from tiltyard import wiring
    from tiltyard.pipeline.jobs.prediction_retention import prune

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
@click.option("--key", default=None, help="Predictions with this key, sent as X-Prediction-Key.")
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
) -> int:
    """Erase or redact the predictions about a person.

    A key means the items of a list that was sent with it too (KEY/0, KEY/1 …). By key or id, predictions that were made
    until now and come later from the spool of another host are erased or redacted too. By --containing they are not:
    the ledger would have to keep the words.

    The ledger records the decision with its reason and the number of predictions, without the key or any content.
    Earlier exports, backups and training data are not changed.
    """
    from tiltyard import wiring
    from tiltyard.monitoring.prediction_window import find_group_key
    from tiltyard.pipeline.jobs.prediction_retention import (
        RetentionRequest,
        Subject,
        find_predictions,
        remove_predictions,
    )

    subject = Subject(key, prediction_id, containing)
    if as_json and not yes:
        raise UsageError("--json cannot ask for confirmation.", next_step="Add --yes.")
    project = find_project(project_path, model_name, quiet=True)
    request = RetentionRequest("redacted" if redact else "erased", wiring.current_actor(), reason)
    settings = wiring.load_settings(project)
    with open_current_ledger(settings) as ledger:
        unsearched = None if subject.containing is None else wiring.ship_until_now(settings, ledger)
        found = find_predictions(ledger, project.model_name, subject)
        if not yes:
            _confirm(found, subject, redact=redact)
        removal = remove_predictions(ledger, project.model_name, subject, request, find_group_key(project), found=found)
    if as_json:
        done = {request.act: removal.predictions, "named_by": subject.named_by, "set_aside": removal.set_aside}
        print_json(done | ({"unsearched": str(unsearched)} if unsearched else {}))
        return EXIT_FAILED if unsearched else EXIT_DONE
    _report(removal, subject, request.act)
    if unsearched:
        raise UnavailableError(
            f"What servers of this host recorded could not be searched, as it is not in the ledger yet: {unsearched}.",
            next_step="Run the command again when tiltyard doctor shows that nothing waits in the spools.",
        )
    return EXIT_DONE


def _report(removal: Removal, subject: Subject, act: str) -> None:
    from tiltyard.pipeline.jobs.prediction_retention import Removal

    if removal == Removal():
        console.print("No prediction matches; nothing changed in the ledger.")
    else:
        console.print(f"{format_count(removal.predictions, 'prediction')} {act}.")
    if removal.set_aside:
        console.print(f"{format_count(removal.set_aside, 'record')} that had been set aside erased.")
    if subject.containing is None:
        console.print(f"Those that a server of another host still brings, made until now, are {act} too.")
    else:
        console.print(
            "What servers of other hosts have not shipped yet was not searched. Run the command again when /health "
            "there shows lag_rows 0."
        )


def _confirm(found: Sequence[Prediction], subject: Subject, *, redact: bool) -> None:
    """Let the user confirm what is to be done.

    Raises:
        click.Abort: the user does not.
    """
    if not found and subject.containing is not None:
        return
    items = sum(row.key is not None and row.key not in subject.keys for row in found) if subject.keys else 0
    named = format_count(len(found), "prediction") + (
        f" ({format_count(items, 'of them is an item', 'of them are items')} of lists)" if items else ""
    )
    click.confirm(f"{'Redact' if redact else 'Erase'} {named} permanently?", abort=True)
