"""``tiltyard retrain``: train a version on the base data and the labels from production."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.main import EXIT_FAILED, EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import Terminal, console, print_json
from tiltyard.cli.progress import ConsoleRunner
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UnavailableError

if TYPE_CHECKING:
    from tiltyard.pipeline.remediation import Remediation


@click.command()
@project_option
@model_option
@click.option("--reason", default="started by hand", show_default=True, help="Why; recorded with the decision.")
@click.option("--if-due", is_flag=True, help="Only if [training] schedule says so.")
@json_option
def retrain_command(project_path: Path | None, model_name: str | None, reason: str, if_due: bool, as_json: bool) -> int:
    """Train a version with the labels from production; it becomes champion if it wins.

    The new version is the challenger first, then goes through the same gates as any other. An interrupted
    remediation is finished before. Exit code 3 when the new version is not promoted, or not yet.

    Without a project file the base data is what the champion's training kept, and an estimator that Python code brought
    is fitted again.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline.remediation import find_basis
    from tiltyard.pipeline.schedules.checks import Watch
    from tiltyard.pipeline.schedules.perform import Performer
    from tiltyard.processes.stop_signal import exit_on_signal
    from tiltyard.project.scheduled_work import find_training

    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    progress = Terminal(stderr=True) if as_json else console
    with open_current_ledger(settings) as ledger:
        if not project.has_rows:
            # Refused before anything is planned: what is planned is recorded, and resumed until it ends.
            workspace = app_wiring.open_workspace(settings, ledger, project)
            find_basis(project, wiring.open_tracker(project, settings), workspace)
        flows = app_wiring.build_flow_runner(project, settings, ConsoleRunner(progress))
        responder = app_wiring.build_responder(project, settings, ledger, flows.runner)

        def retrain(why: str) -> Remediation:
            return flows.run(
                "response",
                lambda: responder.retrain(why),
                lambda done: " ".join(action.summary for action in done.actions) or done.outcome,
            )

        if if_due:
            exit_on_signal()
            performer = Performer(project, settings, ledger, Watch(project, ledger), retrain=retrain)
            scheduled = performer.perform(find_training(project), only_due=True)
            if as_json:
                print_json(scheduled)
            else:
                console.print(scheduled.summary)
            return 0
        response = retrain(reason)
    if response.outcome == "busy":
        raise UnavailableError(
            f"Another process is working on {project.model_name}.",
            next_step="Wait until it ends (see tiltyard history), then try again.",
            code="response.busy",
        )
    if as_json:
        print_json(response)
    else:
        for action in response.actions:
            console.print(action.summary or f"Waiting: the next monitoring run continues {action.kind} (tiltyard up).")
    return _exit_code(response)


def _exit_code(response: Remediation) -> int:
    last = response.actions[-1]
    if last.ending == "failed":
        return EXIT_FAILED
    return 0 if last.outcomes.get("meet-champion", {}).get("promoted") else EXIT_NO
