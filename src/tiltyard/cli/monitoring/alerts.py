"""``tiltyard alerts``: list open alerts and cleared ones, acknowledge and snooze them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, format_time, print_json, print_line
from tiltyard.cli.time_options import Duration, parse_time
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tiltyard.ledger.model_events import ModelEvents
    from tiltyard.notifications.alerts import Alert

_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold"}
_REASON = click.option("--reason", default="", metavar="WHY", help="Why: it is required, and the decision keeps it.")


@click.group(invoke_without_command=True)
@project_option
@model_option
@click.option("--all", "everything", is_flag=True, help="Include cleared alerts.")
@json_option
@click.pass_context
def alerts_group(
    context: click.Context, project_path: Path | None, model_name: str | None, everything: bool, as_json: bool
) -> int:
    """List the open alerts: what happened, what was done, what to do.

    Exit code 3 when an alert is open that is not snoozed.
    """
    if context.invoked_subcommand is not None:
        given = next((name for name, value in context.params.items() if value), None)
        if given is not None:
            raise UsageError(
                f"An option stands before the command '{context.invoked_subcommand}'.",
                next_step=f"Write it behind: tiltyard alerts {context.invoked_subcommand} …",
            )
        return 0
    from tiltyard import wiring
    from tiltyard.notifications.alerts import read_alerts

    project = find_project(project_path, model_name, quiet=True)
    with wiring.open_ledger(wiring.load_settings(project)) as ledger:
        known = read_alerts(ledger.events(subject=project.model_name))
    now = datetime.now(UTC)
    open_alerts = [alert for alert in known if alert.state == "open"]
    listed = known if everything else open_alerts
    if as_json:
        print_json(listed)
    else:
        for alert in reversed(listed):
            _print_alert(alert, now)
        if not listed:
            console.print("No alert.")
    return EXIT_NO if any(not alert.is_snoozed(now) for alert in open_alerts) else 0


@alerts_group.command("acknowledge")
@click.argument("alert")
@project_option
@model_option
@_REASON
@json_option
def acknowledge_command(
    alert: str, project_path: Path | None, model_name: str | None, reason: str, as_json: bool
) -> None:
    """Say that you take care of an open ALERT: its id, or its kind of incident, such as drift."""
    from tiltyard.notifications.alert_notes import acknowledge_alert

    noted = _change(
        project_path, model_name, lambda events, actor: acknowledge_alert(events, alert, reason=reason, actor=actor)
    )
    _print_result(noted, "is acknowledged", as_json=as_json)


@alerts_group.command("snooze")
@click.argument("alert")
@project_option
@model_option
@click.option("--for", "duration", type=Duration(), default=None, help="How long: 12h, 3d, 2w.")
@click.option("--until", default=None, help="Or until when (ISO 8601; UTC without a time zone).")
@_REASON
@json_option
def snooze_command(
    alert: str,
    project_path: Path | None,
    model_name: str | None,
    duration: timedelta | None,
    until: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Have no notices of an open ALERT for a while: its id, or its kind of incident, such as drift.

    It stays open, and the loop acts on it as before. A graver finding ends the snooze.
    """
    from tiltyard.notifications.alert_notes import snooze_alert

    named = parse_time("--until", until)
    if (duration is None) == (named is None):
        raise UsageError(
            "A snooze has one end: neither or both of --for and --until are given.",
            next_step="Give one of them: --for 12h, or --until TIME.",
        )
    end = named or datetime.now(UTC) + (duration or timedelta())
    noted = _change(
        project_path,
        model_name,
        lambda events, actor: snooze_alert(events, alert, until=end, reason=reason, actor=actor),
    )
    _print_result(noted, f"is snoozed until {format_time(end)}", as_json=as_json)


@alerts_group.command("wake")
@click.argument("alert")
@project_option
@model_option
@_REASON
@json_option
def wake_command(alert: str, project_path: Path | None, model_name: str | None, reason: str, as_json: bool) -> None:
    """End the snooze of an open ALERT now."""
    from tiltyard.notifications.alert_notes import wake_alert

    noted = _change(
        project_path, model_name, lambda events, actor: wake_alert(events, alert, reason=reason, actor=actor)
    )
    _print_result(noted, "is not snoozed any more", as_json=as_json)


def _change(path: Path | None, model_name: str | None, change: Callable[[ModelEvents, str], Alert]) -> Alert:
    from tiltyard import wiring
    from tiltyard.ledger.model_events import ModelEvents

    project = find_project(path, model_name, quiet=True)
    with wiring.open_ledger(wiring.load_settings(project)) as ledger:
        return change(ModelEvents(ledger, project.model_name), wiring.current_actor())


def _print_result(alert: Alert, state: str, *, as_json: bool) -> None:
    if as_json:
        print_json(alert)
    else:
        print_line("{}: the alert {}.", alert.title, state)


def _print_alert(alert: Alert, now: datetime) -> None:
    style = "dim" if alert.state == "cleared" else _STYLES[alert.severity]
    raised = format_time(alert.raised_at)
    cleared = f", cleared {format_time(alert.cleared_at)}" if alert.cleared_at else ""
    print_line(f"[{style}]{{}}[/{style}]  [dim]since {{}}{{}}[/dim]", alert.title, raised, cleared)
    if alert.state == "open" and alert.acknowledged is not None:
        print_line("  [dim]acknowledged by {}: {}[/dim]", alert.acknowledged.by, alert.acknowledged.reason)
    if alert.is_snoozed(now) and alert.snoozed is not None:
        said = alert.snoozed
        print_line("  [dim]snoozed until {} by {}: {}[/dim]", format_time(said.until), said.by, said.reason)
    for line in alert.text.splitlines():
        console.print(f"  {line}")
    console.print()
