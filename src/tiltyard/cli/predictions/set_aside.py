"""``tiltyard predictions set-aside``: what servers recorded and the ledger could not store in its place."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_line
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UsageError
from tiltyard.formatting import format_count

SHOWN = 20
DISCARDED = "discarded"
"""The kind of the event that records that records were discarded."""


@click.command("set-aside")
@project_option
@model_option
@click.option("--limit", type=click.IntRange(0), default=SHOWN, show_default=True, help="Show at most so many records.")
@click.option("--discard", is_flag=True, help="Delete all of them; the decision is recorded.")
@click.option("--reason", default=None, help="Why they are deleted.")
@json_option
def set_aside_command(
    project_path: Path | None, model_name: str | None, limit: int, discard: bool, reason: str | None, as_json: bool
) -> None:
    """List what servers recorded and the ledger could not store in its place.

    differs: two servers predicted differently for one request with an Idempotency-Key. The ledger keeps the prediction
    that came first. refused: the database can never store the record. Both are kept as they came. The counts say also
    how many predictions came and had been erased, redacted or pruned.
    """
    from tiltyard import wiring
    from tiltyard.ledger import Event

    if reason is not None and not discard:
        raise UsageError(f"--reason {reason!r} is of no use here.", next_step="Delete the records with --discard, too.")
    if discard and not reason:
        raise UsageError("--discard needs a reason.", next_step="Say why with --reason.")
    project = find_project(project_path, model_name, quiet=True)
    name = project.model_name
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        counts = ledger.arrivals.count(model_name=name)
        if discard:
            gone = ledger.arrivals.discard([record.id for record in ledger.arrivals.select(model_name=name)])
            if gone:
                actor = wiring.current_actor()
                ledger.append(Event(DISCARDED, name, datetime.now(UTC), actor, str(reason), {"set_aside": gone}))
            if as_json:
                print_json({"discarded": gone})
            else:
                console.print(f"Deleted {format_count(gone, 'record')} that had been set aside.")
            return
        shown = list(islice(ledger.arrivals.select(model_name=name), limit))
    if as_json:
        print_json({"counts": [asdict(count) for count in counts], "records": [asdict(record) for record in shown]})
        return
    if not counts:
        console.print("Nothing was set aside.")
    for count in counts:
        named = count.project or "(model not known)"
        print_line("{}: {:,} {}, last at {:%Y-%m-%d %H:%M} UTC", named, count.rows, count.reason, count.last)
    for record in shown:
        print_line(
            "[bold]{}[/bold] {} {} from {}: {}",
            record.reason,
            record.kind,
            record.subject[:80],
            record.origin,
            record.message,
        )
