"""``tiltyard loop``: look, respond and deliver on a schedule, without a server."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import click

from tiltyard import app_wiring, wiring
from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import Terminal, console, print_json, say, when
from tiltyard.cli.progress import ConsoleRunner
from tiltyard.errors import TiltyardError
from tiltyard.pipeline.loop import LoopIteration
from tiltyard.processes.heartbeat import Heartbeat
from tiltyard.project import load_project

# A response may take all there is; whoever answers comes first.
NICENESS = 10


@click.command()
@project_option
@click.option("--once", is_flag=True, help="One pass, now, and the delivery of notices.")
@click.option("--server", default=None, help="Address of the server whose metrics are read, http://127.0.0.1:8000.")
@json_option
def loop(project_path: Path | None, once: bool, server: str | None, as_json: bool) -> None:
    """Look at the champion on a schedule, respond to what is found, and deliver notices.

    `tiltyard up` does this beside a server and a console. Any number may run: one at a time works on a model.
    """
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    watched = Terminal(stderr=True) if as_json else console
    # Whoever keeps this process is told that it gets on, from its very start; a step may take its time.
    with Heartbeat(project.response.step_hours * 3600) as heart, open_current_ledger(settings) as ledger:
        work = app_wiring.build_loop(project, settings, ledger, ConsoleRunner(watched), server, heart.beat)

        def tell(seen: LoopIteration) -> None:
            if as_json:
                print_json({"event": "pass", **seen.to_dict()})
            else:
                say("[dim]{}[/dim] {}", when(seen.monitoring.at), seen.summary)

        def complain(problem: TiltyardError) -> None:
            if as_json:
                print_json({"event": "problem", **problem.to_dict()})
            else:
                say("[red]✗[/red] {} [dim]It is tried again.[/dim]", problem.message)

        if once:
            tell(work.once())
            app_wiring.build_dispatcher(project, settings, ledger).run()
            return
        os.nice(NICENESS)
        work.run(_until_told(), tell, complain, heart.beat)


def _until_told() -> threading.Event:
    """Set by SIGTERM or Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
