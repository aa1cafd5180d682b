"""``tiltyard approve``: approve or decline a version that passed the gates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_table
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UsageError

if TYPE_CHECKING:
    from tiltyard.pipeline import ApprovalRequest, Workspace
    from tiltyard.project import Project


@click.command()
@click.argument("version", required=False)
@project_option
@model_option
@click.option("--reason", default="", help="Why; recorded with the decision.")
@click.option("--decline", is_flag=True, help="Decline the version instead.")
@json_option
def approve_command(
    version: str | None, project_path: Path | None, model_name: str | None, reason: str, decline: bool, as_json: bool
) -> None:
    """Approve a version that passed the gates; without a version, list the pending ones.

    TILTYARD_ACTOR names the person who approves; without it, the user of this process is recorded.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline import pending_approvals

    project = find_project(project_path, model_name, quiet=True)
    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        if version is None:
            name = project.model_name
            _print_pending(name, pending_approvals(ledger.events(subject=name), name), as_json=as_json)
            return
        if not reason.strip():
            raise UsageError("An approval needs a reason.", next_step="Give it with --reason; it is recorded.")
        workspace = app_wiring.open_workspace(settings, ledger, project)
        decide = _decline if decline else _approve
        result, line = decide(workspace, project, version, reason)
    if as_json:
        print_json({"model": project.model_name, **result})
    else:
        console.print(line)


def _approve(workspace: Workspace, project: Project, version: str, reason: str) -> tuple[dict[str, object], str]:
    from tiltyard.pipeline import approve_version

    outcome = approve_version(workspace, project, version, reason=reason)
    now, before = outcome.version.version, outcome.champion.version if outcome.champion else None
    was = f" (was {before}, which is now previous)" if before else ""
    result = {"version": now, "approved": True, "champion": now, "before": before}
    return result, f"{project.model_name}: version {now} is champion{was}."


def _decline(workspace: Workspace, project: Project, version: str, reason: str) -> tuple[dict[str, object], str]:
    from tiltyard.pipeline import decline_version

    request = decline_version(workspace, project, version, reason=reason)
    result = {"version": request.version, "approved": False, "champion": request.champion}
    return result, f"Version {request.version} of {project.model_name} was declined; the champion stays."


def _print_pending(name: str, pending: list[ApprovalRequest], *, as_json: bool) -> None:
    if as_json:
        print_json([request.to_dict() for request in pending])
        return
    if not pending:
        console.print(f"No version of {name} waits for approval.")
        return
    print_table(
        f"{name}: pending approvals",
        ("Version", "Requested by", "When", "Champion then", "Gates"),
        ((one.version, one.event.actor, one.event.at, one.champion, one.verdict.summary) for one in pending),
    )
