"""``tiltyard model-info``: one version with its metrics, lineage and deployments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.cli.options import Words, choose_version, json_option, model_option, project_option
from tiltyard.cli.output import format_time, print_json, print_pairs
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UnavailableError
from tiltyard.jsonable import to_json_object

if TYPE_CHECKING:
    from tiltyard.registry import VersionInfo
    from tiltyard.registry.lineage import Deployment, Lineage
    from tiltyard.settings import Settings

_OUR_TAGS = ("tiltyard.", "mlflow.")


@click.command()
@project_option
@model_option
@click.option("--version", type=Words(), default=None, help="A version number, or a label such as 2.1.0.")
@click.option("--alias", type=Words(), default=None, help="An alias.  [default: champion]")
@json_option
def model_info_command(
    project_path: Path | None, model_name: str | None, version: str | None, alias: str | None, as_json: bool
) -> None:
    """Show the champion, or another version."""
    from tiltyard import wiring
    from tiltyard.registry.lineage import read_lineage

    project = find_project(project_path, model_name, quiet=True)
    settings = wiring.load_settings(project)
    version, alias = choose_version(version, alias)
    info = wiring.open_registry(settings).get_version(project.model_name, version=version, alias=alias)
    served = _find_deployments(settings, info)
    if as_json:
        verdict = _read_verdict(info)
        print_json(
            {**version_to_dict(info), "deployments": [to_json_object(one) for one in served], "verdict": verdict}
        )
        return
    print_pairs(
        [
            ("Model", info.name),
            ("Version", info.version),
            ("Label", info.label),
            ("Aliases", ", ".join(info.aliases) or None),
            ("Stage", info.stage),
            ("Run ID", info.run_id),
            ("Registered", format_time(info.created_at)),
            ("Description", info.description or None),
            ("Scorer", info.tags.get("tiltyard.scorer")),
            *_lineage_rows(read_lineage(info)),
            *(("Served", f"on {one.host} as {one.alias} since {format_time(one.since)}") for one in served),
            *sorted((f"Tag {name}", value) for name, value in info.tags.items() if not name.startswith(_OUR_TAGS)),
            *_verdict_rows(info),
            *([("Metrics", "on the held-out rows of its training")] if info.metrics else []),
            *sorted((f"    {name}", value) for name, value in info.metrics.items()),
        ]
    )


def version_to_dict(info: VersionInfo) -> dict[str, Any]:
    """A version as ``--json`` prints it."""
    from tiltyard.registry.lineage import read_lineage

    return {
        "model_name": info.name,
        "version": info.version,
        "label": info.label,
        "lineage": to_json_object(lineage) if (lineage := read_lineage(info)) else None,
        "aliases": list(info.aliases),
        "stage": info.stage,
        "run_id": info.run_id,
        "created_at": info.created_at,
        "description": info.description,
        "scorer": info.tags.get("tiltyard.scorer"),
        "metrics": dict(info.metrics),
        "tags": dict(info.tags),
        "source": info.source,
    }


def _find_deployments(settings: Settings, info: VersionInfo) -> list[Deployment]:
    """The servers that serve the version; without the ledger the rest is printed nevertheless."""
    from tiltyard import wiring
    from tiltyard.registry.lineage import deployments

    try:
        with wiring.open_ledger(settings) as ledger:
            found = deployments(ledger.events(subject=info.name), info.name)
    except UnavailableError as error:
        click.echo(f"Deployments are not known: {error.message}", err=True)
        return []
    return [one for one in found if one.version == info.version]


def _lineage_rows(lineage: Lineage | None) -> list[tuple[str, object]]:
    if lineage is None:
        return []
    data, code = lineage.data, lineage.code
    commit = (
        f"{code['commit']}{' and uncommitted changes' if code.get('dirty') else ''}" if code.get("commit") else None
    )
    return [
        (
            "Data",
            f"{data['fingerprint']}: {data.get('rows')} rows of {data.get('source', 'an unknown source')}"
            if data.get("fingerprint")
            else None,
        ),
        ("Code", commit),
        ("Parent", lineage.parent),
        ("Environment", ", ".join(f"{name} {version}" for name, version in lineage.environment.items())),
        *([("Parameters", "of its training")] if lineage.parameters else []),
        *((f"    {name}", value) for name, value in sorted(lineage.parameters.items())),
    ]


def _verdict_rows(info: VersionInfo) -> Iterator[tuple[str, object]]:
    """The last verdict of the gates on it, and what each gate found."""
    verdict = _read_verdict(info)
    if not isinstance(verdict, dict):
        return
    outcome = "passed" if verdict.get("promoted") else f"not promoted: {verdict.get('reason')}"
    yield "Gates", f"{outcome} ({verdict['at']})" if verdict.get("at") else outcome
    for gate in verdict.get("gates", ()):
        yield f"    {gate.get('code')}", f"{'passed' if gate.get('passed') else 'refused'}: {gate.get('message')}"


def _read_verdict(info: VersionInfo) -> Any:
    from tiltyard.registry.ports import VERDICT_TAG

    try:
        return json.loads(info.tags[VERDICT_TAG])
    except (KeyError, ValueError):
        return None
