"""``tiltyard retrain``: a new version from the base data and the labels of production."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard import app_wiring, wiring
from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.main import EXIT_FAILED, EXIT_NO
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import Terminal, console, print_json
from tiltyard.cli.progress import ConsoleRunner
from tiltyard.errors import UnavailableError
from tiltyard.pipeline.remediation import Remediation
from tiltyard.project import load_project


@click.command()
@project_option
@click.option("--reason", default="asked for by hand", show_default=True, help="Why; kept with the decision.")
@json_option
def retrain(project_path: Path | None, reason: str, as_json: bool) -> int:
    """Train a version with the labels of production; it becomes champion if it wins.

    The version is the challenger first and then goes through the same gates as any other. A response that was cut off
    is finished first. Exit code 3 when the new version does not take over (yet).
    """
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    watched = Terminal(stderr=True) if as_json else console
    with open_current_ledger(settings) as ledger:
        flows = app_wiring.build_flow_runner(project, settings, ConsoleRunner(watched))
        responder = app_wiring.build_responder(project, settings, ledger, flows.runner)
        response = flows.run(
            "response",
            lambda: responder.retrain(reason),
            lambda done: " ".join(action.summary for action in done.actions) or done.outcome,
        )
    if response.outcome == "busy":
        raise UnavailableError(
            f"Another process works on {project.model_name} just now.",
            next_step="Wait for it (tiltyard history tells what it does), then try again.",
            code="response.busy",
        )
    if as_json:
        print_json(response)
    else:
        for action in response.actions:
            console.print(action.summary or f"Waiting: {action.kind} goes on with the next look (tiltyard up).")
    return _code(response)


def _code(response: Remediation) -> int:
    last = response.actions[-1]
    if last.ending == "failed":
        return EXIT_FAILED
    return 0 if last.outcomes.get("meet-champion", {}).get("promoted") else EXIT_NO
