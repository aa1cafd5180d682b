"""``tiltyard outbox``: list, send or retry pending notifications."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from tiltyard.cli.main import EXIT_FAILED
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, format_time, print_json, print_table
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import NotFoundError

if TYPE_CHECKING:
    from tiltyard.ledger import OutboxItem


@click.group()
def outbox_group() -> None:
    """List, send or retry pending notifications."""


@outbox_group.command("list")
@project_option
@model_option
@click.option(
    "--state",
    type=click.Choice(["waiting", "sent", "given-up"]),
    default=None,
    help="Only notifications in this state.",
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Maximum number.")
@json_option
def list_notifications_command(
    project_path: Path | None, model_name: str | None, state: str | None, limit: int, as_json: bool
) -> None:
    """List notifications about alerts and decisions, newest first, with destination and state."""
    from tiltyard import wiring
    from tiltyard.ledger import DeliveryState

    project = find_project(project_path, model_name, quiet=True)
    with wiring.open_ledger(wiring.load_settings(project)) as ledger:
        found = ledger.outbox.items(cast(DeliveryState | None, state), limit=limit)
    if as_json:
        print_json(found)
        return
    print_table(
        "Outbox",
        ("When", "Topic", "To", "State", "Last error", "Id"),
        (
            (one.notice.at, one.notice.topic, one.notice.destination, _describe_state(one), one.error, one.notice.id)
            for one in found
        ),
    )


def _describe_state(parcel: OutboxItem) -> str:
    """The state of a notification; for a pending one also its attempts and the next time."""
    if parcel.state != "waiting" or not parcel.attempts:
        return parcel.state
    return f"tried {parcel.attempts}×, next {format_time(parcel.notice.due)}"


@outbox_group.command()
@project_option
@model_option
@json_option
def send_command(project_path: Path | None, model_name: str | None, as_json: bool) -> int:
    """Send due notifications once; `tiltyard up` sends them continuously.

    Exit code 1 when a notification could not be delivered.
    """
    from tiltyard import app_wiring, wiring

    project = find_project(project_path, model_name, quiet=True)
    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        done = app_wiring.build_dispatcher(project, settings, ledger).run()
    if as_json:
        print_json(done)
    else:
        console.print(f"{done.sent} sent, {done.failed} to be retried, {done.given_up} given up.")
    return EXIT_FAILED if done.failed or done.given_up else 0


@outbox_group.command()
@project_option
@model_option
@click.argument("ids", nargs=-1)
@json_option
def retry_command(project_path: Path | None, model_name: str | None, ids: tuple[str, ...], as_json: bool) -> None:
    """Make pending and given-up notifications due now: the named ones, or all."""
    from tiltyard import wiring

    project = find_project(project_path, model_name, quiet=True)
    with wiring.open_ledger(wiring.load_settings(project)) as ledger:
        count = ledger.outbox.retry(ids or None)
    if ids and not count:
        raise NotFoundError(
            f"No unsent notification has the id {', '.join(ids)}.", next_step="List them with: tiltyard outbox list"
        )
    if as_json:
        print_json({"due": count})
        return
    console.print(f"{count} due now; send with: tiltyard outbox send")
