"""``model-info``, ``list-versions`` and ``set-alias``: what is registered, and which version is what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tiltyard import app_wiring, wiring
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_pairs, print_table, say, when
from tiltyard.errors import UnavailableError
from tiltyard.pipeline import point_alias
from tiltyard.project import load_project
from tiltyard.registry import VersionInfo
from tiltyard.registry.lineage import Deployment, Lineage, deployments, lineage_of
from tiltyard.registry.tags import VERDICT_TAG
from tiltyard.settings import Settings


@click.command("model-info")
@project_option
@model_option
@click.option("--version", default=None, help="A version number, or a label such as 2.1.0.")
@click.option("--alias", default=None, help="An alias.  [default: champion]")
@json_option
def model_info(
    project_path: Path | None, model_name: str | None, version: str | None, alias: str | None, as_json: bool
) -> None:
    """Show the champion, or another version."""
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    chosen = None if version else (alias or "champion")
    info = wiring.open_registry(settings).get_version(model_name or project.model_name, version=version, alias=chosen)
    served = _served(settings, info)
    if as_json:
        print_json({**_as_dict(info), "deployments": [one.to_dict() for one in served], "verdict": _verdict(info)})
        return
    print_pairs(
        [
            ("Model", info.name),
            ("Version", info.version),
            ("Label", info.label),
            ("Aliases", ", ".join(info.aliases) or None),
            ("Run ID", info.run_id),
            ("Registered", when(info.created_at)),
            ("Description", info.description or None),
            ("Answered by", info.tags.get("tiltyard.scorer")),
            *_origin(lineage_of(info)),
            *(("Answers", f"on {one.host} as {one.alias} since {when(one.since)}") for one in served),
            *sorted((f"  {name}", value) for name, value in info.metrics.items()),
        ]
    )


@click.command("list-versions")
@project_option
@model_option
@json_option
def list_versions(project_path: Path | None, model_name: str | None, as_json: bool) -> None:
    """List all versions with their aliases and metrics."""
    project = load_project(project_path)
    name = model_name or project.model_name
    versions = wiring.open_registry(wiring.load_settings(project)).list_versions(name)
    if as_json:
        print_json([_as_dict(info) for info in versions])
        return
    if not versions:
        say("No version of {} yet: run [bold]tiltyard train --champion[/bold]", name)
        return
    metric = project.training.metric
    print_table(
        name,
        ("Version", "Label", "Aliases", metric, "Recipe", "Registered", "Run ID"),
        (
            (
                info.version,
                info.label,
                ", ".join(info.aliases) or None,
                info.metrics.get(metric),
                info.tags.get("tiltyard.candidate"),
                info.created_at,
                info.run_id,
            )
            for info in versions
        ),
    )


@click.command("set-alias")
@project_option
@model_option
@click.option("--version", required=True, help="Version number or label that the alias shall name.")
@click.option("--alias", required=True, help="Such as champion, challenger or previous.")
@click.option("--reason", default="", help="Why; kept with the decision. Needed for champion.")
@json_option
def set_alias(
    project_path: Path | None, model_name: str | None, version: str, alias: str, reason: str, as_json: bool
) -> None:
    """Point an alias at a version by hand."""
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    name = model_name or project.model_name
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger, project)
        version = workspace.registry.get_version(name, version=version).version
        before = point_alias(workspace, name, version=version, alias=alias, reason=reason)
    if as_json:
        print_json({"model": name, "alias": alias, "version": version, "before": before})
        return
    console.print(f"{name}: {alias} is now version {version}" + (f" (was {before})." if before else "."))


def _served(settings: Settings, info: VersionInfo) -> list[Deployment]:
    """Where the version answers; a ledger that is away is no reason not to tell the rest."""
    try:
        with wiring.open_ledger(settings) as ledger:
            found = deployments(ledger.events(subject=info.name), info.name)
    except UnavailableError as error:
        click.echo(f"The ledger was not asked where it answers: {error.message}", err=True)
        return []
    return [one for one in found if one.version == info.version]


def _origin(lineage: Lineage | None) -> list[tuple[str, object]]:
    if lineage is None:
        return []
    data, code = lineage.data, lineage.code
    commit = f"{code['commit']}{' and changes since' if code.get('dirty') else ''}" if code.get("commit") else None
    return [
        ("Data", f"{data.get('fingerprint')}: {data.get('rows')} rows of {data.get('source')}"),
        ("Code", commit),
        ("Parent", lineage.parent),
        ("Environment", ", ".join(f"{name} {version}" for name, version in lineage.environment.items())),
        *((f"    {name}", value) for name, value in sorted(lineage.parameters.items())),
    ]


def _verdict(info: VersionInfo) -> Any:
    try:
        return json.loads(info.tags[VERDICT_TAG])
    except (KeyError, ValueError):
        return None


def _as_dict(info: VersionInfo) -> dict[str, Any]:
    return {
        "model_name": info.name,
        "version": info.version,
        "label": info.label,
        "lineage": lineage.to_dict() if (lineage := lineage_of(info)) else None,
        "aliases": list(info.aliases),
        "run_id": info.run_id,
        "created_at": info.created_at,
        "description": info.description,
        "scorer": info.tags.get("tiltyard.scorer"),
        "metrics": dict(info.metrics),
        "tags": dict(info.tags),
        "source": info.source,
    }
