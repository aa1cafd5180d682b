"""``tiltyard loop``: run the control loop without a server."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import Terminal, console, format_time, print_json, print_line
from tiltyard.cli.progress import ConsoleRunner
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import TiltyardError, UsageError

if TYPE_CHECKING:
    from tiltyard.pipeline.loop import LoopIteration

# Retraining may use every core; the server that predicts comes first.
NICENESS = 10


@click.command()
@project_option
@model_option
@click.option("--once", is_flag=True, help="Run one iteration now, and send pending notifications.")
@click.option("--server", default=None, help="Server whose metrics are read, such as http://127.0.0.1:8000.")
@json_option
def loop_command(
    project_path: Path | None, model_name: str | None, once: bool, server: str | None, as_json: bool
) -> None:
    """Monitor the champion on a schedule, act on findings, and send notifications.

    `tiltyard up` runs this loop together with a server and the console. Several loops may run: only one at a time works
    on a model.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline.schedules.checks import Watch
    from tiltyard.pipeline.schedules.perform import Performer
    from tiltyard.pipeline.schedules.scheduler import Scheduler
    from tiltyard.processes.heartbeat import Heartbeat
    from tiltyard.processes.stop_signal import stop_on_signal

    if server is not None:
        _check_address(server)
    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    progress = Terminal(stderr=True) if as_json else console
    # The supervisor of this process needs a heartbeat from the start, also during a long step.
    with Heartbeat(project.response.step_hours * 3600) as heart, open_current_ledger(settings) as ledger:
        work = app_wiring.build_loop(project, settings, ledger, ConsoleRunner(progress), server, heart.beat)

        def report_iteration(iteration: LoopIteration) -> None:
            if as_json:
                print_json({"event": "pass", **iteration.to_dict()})
            else:
                print_line("[dim]{}[/dim] {}", format_time(iteration.monitoring.at), iteration.summary)

        def report_problem(problem: TiltyardError) -> None:
            if as_json:
                print_json({"event": "problem", **problem.to_dict()})
            else:
                print_line("[red]✗[/red] {} [dim]Tiltyard tries again.[/dim]", problem.message)

        if once:
            report_iteration(work.once())
            app_wiring.build_dispatcher(project, settings, ledger).run()
            return

        def report_scheduled(report: dict[str, Any]) -> None:
            if as_json:
                print_json(report)
            else:
                print_line("[dim]schedule[/dim] {}: {}", str(report.get("name", "")), str(report.get("text", "")))

        os.nice(NICENESS)
        stop = stop_on_signal()
        performer = Performer(project, settings, ledger, Watch(project, ledger))
        scheduler = Scheduler(performer, _project_options(project_path, model_name), report_scheduled, report_problem)
        with scheduler.running(stop):
            work.run(stop, report_iteration, report_problem, heart.beat)


def _project_options(project_path: Path | None, model_name: str | None) -> list[str]:
    """The options by which another process finds the same project."""
    options = [] if project_path is None else ["--project", str(project_path)]
    return options + ([] if model_name is None else ["--model-name", model_name])


def _check_address(server: str) -> None:
    """Refuse what is not the address of a server: the loop would report for ever that none responds.

    Raises:
        UsageError: it is not one.
    """
    with suppress(ValueError):
        parts = urlsplit(server)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return
    raise UsageError(f"--server {server!r} is not an address.", next_step="Write it like http://127.0.0.1:8000.")
