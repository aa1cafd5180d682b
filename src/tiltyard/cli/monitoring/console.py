"""``tiltyard console``: show versions, predictions and decisions in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_line
from tiltyard.cli.versions.find_project import find_project

if TYPE_CHECKING:
    from tiltyard.serving.process.sockets import Address


@click.command()
@project_option
@model_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8050, show_default=True, help="Port; 0 chooses a free one."
)
@click.option("--insecure-open", is_flag=True, help="Show everything to anyone who can reach the address.")
@json_option
def console_command(
    project_path: Path | None, model_name: str | None, host: str, port: int, insecure_open: bool, as_json: bool
) -> None:
    """Open the console: versions, metrics and predictions as pages, and the decisions about them.

    The console shows every recorded input. Once API keys have been created, a browser signs in with one that has the
    scope read, and the key's role (viewer, labeller, operator, admin) says what a person may do. On an address other
    than loopback the console does not start without a key. Programs find the same under /api/v1.
    """
    from tiltyard import wiring
    from tiltyard.console.actions import ActionDesk
    from tiltyard.console.run import require_console, run_console
    from tiltyard.console.sign_in import console_guard
    from tiltyard.console.sources import console_sources
    from tiltyard.promotion.context import build_workspace
    from tiltyard.serving.auth.proxy_identity import ProxyIdentity
    from tiltyard.serving.process.sockets import bind

    project = find_project(project_path, model_name)
    require_console()
    settings = wiring.load_settings(project)
    secret = settings.console_proxy_secret
    identity = ProxyIdentity.build(
        project.console, secret.get_secret_value() if secret else None, project.serving.trusted_proxies
    )
    guard = console_guard(
        project.serving,
        settings.api_key_file,
        host,
        insecure_open=insecure_open,
        mark=settings.api_keys_mark,
        identity=identity,
    )

    def announce(address: Address) -> None:
        if as_json:
            print_json({"url": address.url})
            return
        print_line("Console of [bold]{}[/bold] at {}", project.model_name, address.url)
        console.print("Press Ctrl-C to stop.")

    listener = bind(host, port)
    try:
        with open_current_ledger(settings) as ledger:
            registry = wiring.open_registry(settings)
            sources = console_sources(project, settings, registry, ledger)
            workspace = build_workspace(settings, ledger, project.alerts, registry=registry)
            desk = ActionDesk(project, workspace, _write_options(project_path, model_name), Path.cwd())
            run_console(project, registry, ledger, listener, announce, sources, guard=guard, desk=desk)
    finally:
        listener.close()


def _write_options(project_path: Path | None, model_name: str | None) -> list[str]:
    """The options by which other commands find this project from here."""
    options = [] if project_path is None else [f"--project={project_path}"]
    return options if model_name is None else [*options, f"--model-name={model_name}"]
