"""``tiltyard mcp``: let an assistant read what is known of the model, by the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.options import model_option, project_option
from tiltyard.cli.versions.find_project import find_project


@click.command()
@project_option
@model_option
@click.option("--json", "as_json", is_flag=True, help="Print an error as JSON; what is read is JSON in any case.")
def mcp_command(project_path: Path | None, model_name: str | None, as_json: bool) -> None:
    """Let an assistant read what is known of the model, by the Model Context Protocol on standard input and output.

    Its tools read the data of the console: overview, incidents, decisions, versions, predictions, the labelling
    queue, batch runs. Nothing can be changed. Recorded inputs are read too: give it only to whom you would give a key
    with the scope read.
    """
    del as_json  # `main` prints errors by it
    from tiltyard import wiring
    from tiltyard.console.api import ApiData
    from tiltyard.console.mcp_server import create_mcp_server, require_mcp
    from tiltyard.console.sources import console_sources

    require_mcp()
    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    with open_current_ledger(settings) as ledger:
        registry = wiring.open_registry(settings)
        sources = console_sources(project, settings, registry, ledger)
        create_mcp_server(ApiData(project, registry, ledger, sources)).run("stdio")
