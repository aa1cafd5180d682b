"""``tiltyard set-alias``: point an alias at a version by hand."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json
from tiltyard.cli.versions.find_project import find_project


@click.command()
@project_option
@model_option
@click.option("--version", required=True, help="Version number or label that the alias shall name.")
@click.option("--alias", required=True, help="Such as champion, challenger or previous.")
@click.option("--reason", default="", help="Why; recorded with the decision. Required for champion.")
@json_option
def set_alias_command(
    project_path: Path | None, model_name: str | None, version: str, alias: str, reason: str, as_json: bool
) -> None:
    """Point an alias at a version by hand, without gates."""
    from tiltyard import app_wiring, wiring
    from tiltyard.promotion.manual_change import point_alias

    project = find_project(project_path, model_name, quiet=True)
    settings = wiring.load_settings(project)
    name = project.model_name
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger, project)
        version = workspace.registry.get_version(name, version=version).version
        before = point_alias(workspace, name, version=version, alias=alias, reason=reason)
    if as_json:
        print_json({"model": name, "alias": alias, "version": version, "before": before})
        return
    console.print(f"{name}: {alias} is now version {version}" + (f" (was {before})." if before else "."))
