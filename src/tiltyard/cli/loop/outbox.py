"""``tiltyard outbox``: what is to leave the house, and how far it is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click

from tiltyard import app_wiring, wiring
from tiltyard.cli.main import EXIT_FAILED
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console, print_json, print_table, when
from tiltyard.errors import NotFoundError
from tiltyard.ledger import OutboxItem, ParcelState
from tiltyard.project import load_project


@click.group()
def outbox() -> None:
    """List, send or retry what is to leave the house."""


@outbox.command("list")
@project_option
@click.option("--state", type=click.Choice(["waiting", "sent", "given-up"]), default=None, help="Only those.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many, newest first.")
@json_option
def list_(project_path: Path | None, state: str | None, limit: int, as_json: bool) -> None:
    """List notices, newest first: alerts and decisions, where they go and how far they are."""
    project = load_project(project_path)
    with wiring.open_ledger(wiring.load_settings(project)) as ledger:
        found = ledger.outbox.parcels(cast(ParcelState | None, state), limit=limit)
    if as_json:
        print_json(found)
        return
    print_table(
        "Outbox",
        ("When", "Topic", "To", "State", "Last error", "Id"),
        (
            (one.notice.at, one.notice.topic, one.notice.destination, _state(one), one.error, one.notice.id)
            for one in found
        ),
    )


def _state(parcel: OutboxItem) -> str:
    """How far a notice is; of one that waits, how often it was tried, and when it is next."""
    if parcel.state != "waiting" or not parcel.attempts:
        return parcel.state
    return f"tried {parcel.attempts}×, next {when(parcel.notice.due)}"


@outbox.command()
@project_option
@json_option
def send(project_path: Path | None, as_json: bool) -> int:
    """Send what is due, once. `tiltyard up` does this by itself.

    Exit code 1 when something could not be delivered.
    """
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        done = app_wiring.build_dispatcher(project, settings, ledger).run()
    if as_json:
        print_json(done)
    else:
        console.print(f"{done.sent} sent, {done.failed} to be tried again, {done.given_up} given up.")
    return EXIT_FAILED if done.failed or done.given_up else 0


@outbox.command()
@project_option
@click.argument("ids", nargs=-1)
@json_option
def retry(project_path: Path | None, ids: tuple[str, ...], as_json: bool) -> None:
    """Make notices that wait or were given up due at once: those named, or all."""
    project = load_project(project_path)
    with wiring.open_ledger(wiring.load_settings(project)) as ledger:
        count = ledger.outbox.retry(datetime.now(UTC), ids or None)
    if ids and not count:
        raise NotFoundError(
            f"No unsent notice has the id {', '.join(ids)}.", next_step="See which there are: tiltyard outbox list"
        )
    if as_json:
        print_json({"due": count})
        return
    console.print(f"{count} due now; send with: tiltyard outbox send")
