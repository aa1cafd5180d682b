"""``tiltyard alerts``: list open alerts, and cleared ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, format_time, print_json, print_line
from tiltyard.cli.versions.find_project import find_project

if TYPE_CHECKING:
    from tiltyard.notifications.alerts import Alert

_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold"}


@click.command()
@project_option
@model_option
@click.option("--all", "everything", is_flag=True, help="Include cleared alerts.")
@json_option
def alerts_command(project_path: Path | None, model_name: str | None, everything: bool, as_json: bool) -> int:
    """List the open alerts: what happened, what was done, what to do.

    Exit code 3 when an alert is open.
    """
    from tiltyard import wiring
    from tiltyard.notifications.alerts import read_alerts

    project = find_project(project_path, model_name, quiet=True)
    with wiring.open_ledger(wiring.load_settings(project)) as ledger:
        known = read_alerts(ledger.events(subject=project.model_name))
    open_alerts = [alert for alert in known if alert.state == "open"]
    listed = known if everything else open_alerts
    if as_json:
        print_json(listed)
    else:
        for alert in reversed(listed):
            _print_alert(alert)
        if not listed:
            console.print("No alert.")
    return EXIT_NO if open_alerts else 0


def _print_alert(alert: Alert) -> None:
    style = "dim" if alert.state == "cleared" else _STYLES[alert.severity]
    raised = format_time(alert.raised_at)
    cleared = f", cleared {format_time(alert.cleared_at)}" if alert.cleared_at else ""
    print_line(f"[{style}]{{}}[/{style}]  [dim]since {{}}{{}}[/dim]", alert.title, raised, cleared)
    for line in alert.text.splitlines():
        console.print(f"  {line}")
    console.print()
