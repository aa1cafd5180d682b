"""``tiltyard serve``: serve the champion over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_line
from tiltyard.cli.versions.find_project import find_project

if TYPE_CHECKING:
    from tiltyard.serving.process.sockets import Address


@click.command()
@project_option
@model_option
@click.option("--host", default=None, help="Address to listen on.  [default: the project's, 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port; 0 takes any free one.")
@click.option("--workers", type=click.IntRange(1, 256), default=None, help="Number of server processes.  [default: 1]")
@click.option("--insecure-open", is_flag=True, help="Serve anyone who can reach the address, without API keys.")
@json_option
def serve_command(
    project_path: Path | None,
    model_name: str | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    insecure_open: bool,
    as_json: bool,
) -> None:
    """Serve the champion over HTTP and record every prediction.

    Without a champion the server responds with 503 and the reason; it loads the champion as soon as there is one.
    On an address other than loopback it requires API keys (tiltyard keys api new) and does not start without one.
    """
    from tiltyard.serving.process.supervisor import WorkerSupervisor
    from tiltyard.serving.telemetry.logs import set_up_logs
    from tiltyard.settings import Settings

    project = find_project(project_path, model_name)
    overrides: dict[str, Any] = {"host": host, "port": port, "workers": workers}
    options = project.serving.model_copy(update={name: value for name, value in overrides.items() if value is not None})

    settings = Settings.load(project.root)
    set_up_logs(settings.log or project.serving.log)

    def announce(address: Address) -> None:
        if as_json:
            print_json({"url": address.url, "docs": f"{address.url}/docs", "health": f"{address.url}/health"})
            return
        print_line("Serving [bold]{}[/bold] at {}", project.model_name, address.url)
        console.print(f"  dashboard {address.url}/\n  docs      {address.url}/docs\n  health    {address.url}/health")
        console.print("Press Ctrl-C to stop.")

    WorkerSupervisor(project, options, settings, announce, insecure_open=insecure_open).run()
