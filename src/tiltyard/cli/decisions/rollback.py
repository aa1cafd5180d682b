"""``tiltyard rollback``: make an earlier version champion again."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json
from tiltyard.cli.versions.find_project import find_project


@click.command()
@project_option
@model_option
@click.option("--to", default=None, help="Version to go back to.  [default: the alias previous]")
@click.option("--reason", default="", metavar="WHY", help="Why: a rollback needs it, and the decision keeps it.")
@json_option
def rollback_command(
    project_path: Path | None, model_name: str | None, to: str | None, reason: str, as_json: bool
) -> None:
    """Make the previous version champion again, or another one.

    Running servers load it without a restart, as they load any new champion.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline import roll_back

    project = find_project(project_path, model_name, quiet=True)
    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger, project)
        now, before = roll_back(workspace, project.model_name, to=to, reason=reason)
    if as_json:
        print_json({"model": now.name, "champion": now.version, "before": before.version if before else None})
        return
    was = f" (was {before.version}, which is now previous)" if before else ""
    console.print(f"{now.name}: version {now.version} is champion again{was}.")
