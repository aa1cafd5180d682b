"""``tiltyard serve``: the champion over HTTP."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard import wiring
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console, print_json
from tiltyard.project import load_project
from tiltyard.serving.server import Address, run
from tiltyard.serving.telemetry.logs import set_up_logs


@click.command()
@project_option
@click.option("--host", default=None, help="Address to listen on.  [default: the project's, 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port; 0 takes any free one.")
@click.option("--insecure-open", is_flag=True, help="Let everybody in who reaches the address, without API keys.")
@json_option
def serve(project_path: Path | None, host: str | None, port: int | None, insecure_open: bool, as_json: bool) -> None:
    """Serve the champion over HTTP and record every answer.

    Until a champion exists the server answers 503 and says why; it takes over the champion as soon as there is one.
    Beyond loopback it asks for API keys (tiltyard keys api new) and does not start without any.
    """
    project = load_project(project_path)
    settings = wiring.settings(project)
    trusted_keys = wiring.trusted_keys(settings)

    set_up_logs(settings.log or project.serving.log)

    def announce(address: Address) -> None:
        if as_json:
            print_json({"url": address.url, "docs": f"{address.url}/docs", "health": f"{address.url}/health"})
            return
        console.print(f"Serving [bold]{project.model_name}[/bold] at {address.url}")
        console.print(f"  console {address.url}/\n  docs    {address.url}/docs\n  health  {address.url}/health")
        console.print("Press Ctrl-C to stop.")

    with wiring.ledger(settings) as ledger:
        run(
            project,
            wiring.registry(settings),
            ledger,
            cache=settings.cache,
            trusted_types=settings.trusted_types,
            trusted_keys=trusted_keys,
            api_keys=settings.api_key_file,
            insecure_open=insecure_open,
            host=host or project.serving.host,
            port=project.serving.port if port is None else port,
            on_listening=announce,
        )
