"""``tiltyard archive``: archive a version, or take it out of the archive."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json
from tiltyard.cli.versions.find_project import find_project


@click.command()
@click.argument("version")
@project_option
@model_option
@click.option("--undo", is_flag=True, help="Take the version out of the archive instead.")
@click.option("--reason", default="", metavar="WHY", help="Why: it is required, and the decision keeps it.")
@json_option
def archive_command(
    version: str, project_path: Path | None, model_name: str | None, undo: bool, reason: str, as_json: bool
) -> None:
    """Archive a version that is not to serve any more: its aliases go, its files and its history stay.

    The champion cannot be archived. An archived version that is promoted, or that an alias names again, leaves the
    archive.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.promotion.manual_change import archive_version, unarchive_version

    project = find_project(project_path, model_name, quiet=True)
    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger, project)
        change = unarchive_version if undo else archive_version
        info = change(workspace, project.model_name, version, reason=reason)
    if as_json:
        print_json({"model": info.name, "version": info.version, "archived": info.stage == "Archived"})
    else:
        console.print(f"Version {info.version} of {info.name} is {'not archived any more' if undo else 'archived'}.")
