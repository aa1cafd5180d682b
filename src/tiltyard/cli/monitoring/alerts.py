"""``tiltyard alerts``: what is wrong now, and what was."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard import wiring
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, say, when
from tiltyard.notifications.alerts import Alert, read_alerts
from tiltyard.project import load_project

_STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold"}


@click.command()
@project_option
@model_option
@click.option("--all", "everything", is_flag=True, help="Also alerts that are over.")
@json_option
def alerts(project_path: Path | None, model_name: str | None, everything: bool, as_json: bool) -> int:
    """List the alerts that last: what happened, what was done, what to do.

    Exit code 3 when there is one.
    """
    project = load_project(project_path)
    with wiring.open_ledger(wiring.load_settings(project)) as ledger:
        told = read_alerts(ledger.events(subject=model_name or project.model_name))
    open_ = [alert for alert in told if alert.state == "open"]
    shown = told if everything else open_
    if as_json:
        print_json(shown)
    else:
        for alert in reversed(shown):
            _show(alert)
        if not shown:
            console.print("No alert.")
    return EXIT_NO if open_ else 0


def _show(alert: Alert) -> None:
    style = "dim" if alert.state == "cleared" else _STYLES[alert.severity]
    over = f", over since {when(alert.cleared_at)}" if alert.cleared_at else ""
    say(f"[{style}]{{}}[/{style}]  [dim]since {{}}{{}}[/dim]", alert.title, when(alert.raised_at), over)
    for line in alert.text.splitlines():
        console.print(f"  {line}")
    console.print()
