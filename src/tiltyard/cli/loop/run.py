"""``tiltyard loop``: run the control loop without a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
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
    from tiltyard.pipeline.loop_status import LoopStatus
    from tiltyard.project import Project
    from tiltyard.settings import Settings

# Retraining may use every core; the server that predicts comes first.
NICENESS = 10


@click.command()
@project_option
@model_option
@click.option("--once", is_flag=True, help="Run one iteration now, and send pending notifications.")
@click.option("--server", default=None, help="Server whose metrics are read, such as http://127.0.0.1:8000.")
@click.option("--host", default=None, help="Address of /health and /metrics.  [default: 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=None, help="Their port; 0 takes any free one. [default: none]"
)
@json_option
def loop_command(
    project_path: Path | None,
    model_name: str | None,
    once: bool,
    server: str | None,
    host: str | None,
    port: int | None,
    as_json: bool,
) -> None:
    """Monitor the champion on a schedule, act on findings, and send notifications.

    With --port it serves its health, and metrics for Prometheus: incidents, drift, performance, batch runs.

    `tiltyard up` runs this loop together with a server and the console. Several loops may run: only one at a time works
    on a model.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline.loop_status import LoopStatus
    from tiltyard.pipeline.schedules.checks import Watch
    from tiltyard.pipeline.schedules.perform import Performer
    from tiltyard.pipeline.schedules.scheduler import Scheduler
    from tiltyard.processes.heartbeat import Heartbeat
    from tiltyard.processes.stop_signal import stop_on_signal

    if server is not None:
        _check_address(server)
    if once and port is not None:
        raise UsageError("--port has no effect with --once.", next_step="Leave one of them out.")
    if host is not None and port is None:
        raise UsageError("--host has no effect without --port.", next_step="Name one: tiltyard loop --port 8010")
    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    report = _Report(as_json=as_json)
    patience = project.response.step_hours * 3600
    # The supervisor of this process needs a heartbeat from the start, also during a long step.
    with Heartbeat(patience) as heart, open_current_ledger(settings) as ledger:
        status = LoopStatus(project, ledger, patience)

        def beat() -> None:
            heart.beat()
            status.beat()

        def report_iteration(iteration: LoopIteration) -> None:
            status.report_pass()
            report.show_pass(iteration)

        def report_problem(problem: TiltyardError) -> None:
            status.report_problem(problem)
            report.show_problem(problem)

        progress = ConsoleRunner(Terminal(stderr=True) if as_json else console)
        work = app_wiring.build_loop(project, settings, ledger, progress, server, beat)
        if once:
            report.show_pass(work.once())
            app_wiring.build_dispatcher(project, settings, ledger).run()
            return

        serving = (
            nullcontext()
            if port is None
            else _serve_status(project, settings, status, (host or "127.0.0.1", port), report)
        )
        os.nice(NICENESS)
        stop = stop_on_signal()
        performer = Performer(project, settings, ledger, Watch(project, ledger))
        scheduler = Scheduler(
            performer, _project_options(project_path, model_name), report.show_scheduled, report_problem
        )
        with serving, scheduler.running(stop):
            work.run(stop, report_iteration, report_problem, beat)


@contextmanager
def _serve_status(
    project: Project, settings: Settings, status: LoopStatus, place: tuple[str, int], report: _Report
) -> Iterator[None]:
    """Serve health and metrics of the loop for the block.

    Raises:
        UnavailableError: the port is in use.
        UsageError: the address cannot be listened on, or it would be open to others.
    """
    from tiltyard.pipeline.loop_status import loop_server
    from tiltyard.serving.auth import guard_for
    from tiltyard.serving.process.sockets import Address, bind

    guard = guard_for(
        project.serving,
        settings.api_key_file,
        host=place[0],
        own_key=settings.own_key,
        needed="read",
        mark=settings.api_keys_mark,
    )
    with closing(bind(*place)) as listener, loop_server(status, guard, listener):
        host, port = listener.getsockname()[:2]
        report.show_address(Address(host, port).url)
        yield


class _Report:
    """Prints what the loop does: JSON lines for programs, plain lines for people."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def show_pass(self, iteration: LoopIteration) -> None:
        if self._as_json:
            print_json({"event": "pass", **iteration.to_dict()})
        else:
            print_line("[dim]{}[/dim] {}", format_time(iteration.monitoring.at), iteration.summary)

    def show_problem(self, problem: TiltyardError) -> None:
        if self._as_json:
            print_json({"event": "problem", **problem.to_dict()})
        else:
            print_line("[red]✗[/red] {} [dim]Tiltyard tries again.[/dim]", problem.message)

    def show_scheduled(self, found: dict[str, Any]) -> None:
        if self._as_json:
            print_json(found)
        else:
            print_line("[dim]schedule[/dim] {}: {}", str(found.get("name", "")), str(found.get("text", "")))

    def show_address(self, url: str) -> None:
        health, metrics = f"{url}/health", f"{url}/metrics"
        if self._as_json:
            print_json({"event": "listening", "url": url, "health": health, "metrics": metrics})
        else:
            print_line("[dim]health[/dim] {}  [dim]metrics[/dim] {}", health, metrics)


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
