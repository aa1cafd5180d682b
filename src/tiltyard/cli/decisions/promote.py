"""``tiltyard promote``: run the gates for a registered version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.aliases import CHAMPION
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_table
from tiltyard.cli.progress import announce_step
from tiltyard.cli.versions.find_project import find_project
from tiltyard.cli.versions.labelled_rows import NamedRows, data_options, read_test_data
from tiltyard.errors import DataError, ProjectError, UsageError

if TYPE_CHECKING:
    from tiltyard.data import Dataset
    from tiltyard.pipeline import Workspace
    from tiltyard.project import Project
    from tiltyard.registry import VersionInfo
    from tiltyard.settings import Settings


@click.command()
@click.argument("version")
@project_option
@model_option
@data_options
@click.option("--force", is_flag=True, help="Promote the version even if gates refuse it; needs --reason.")
@click.option("--reason", default="", help="Why; recorded with the decision and who made it. --force requires it.")
@click.option("--markdown", is_flag=True, help="Print the verdict as Markdown, for a pull request.")
@json_option
def promote_command(
    version: str,
    project_path: Path | None,
    model_name: str | None,
    rows: Path | None,
    label: str | None,
    text: str | None,
    force: bool,
    reason: str,
    markdown: bool,
    as_json: bool,
) -> int:
    """Run the gates for a registered version; it becomes champion if it passes.

    Champion and challenger are compared on the current test rows that neither was trained on. A first champion is
    compared with guessing on the same rows. Exit code 3 when the gates refuse the version.

    With --force --reason the version becomes champion even so; the decision keeps the verdict, who and why. Without a
    project file the rows are all of --data, or the test rows that the version's training kept; where there are none, no
    gate can be run: --force --reason promotes the version, and the record says so.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline import promote_version
    from tiltyard.promotion.gates import COLUMNS, verdict_markdown, verdict_rows

    if force and not reason.strip():
        raise UsageError(
            "--force overrules the gates, and the decision gives no reason.",
            next_step="Say why with --reason; it is kept.",
            code="decision.no-reason",
        )
    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger, project)
        info = workspace.registry.get_version(project.model_name, version=version)
        announce_step("reading the rows")
        known = _find_rows(workspace, project, settings, info, NamedRows(rows, label, text))
        if known is None:
            return _promote_without_gates(workspace, info, reason if force else "", as_json=as_json)
        announce_step("comparing with the champion on the same rows")
        why = {"force" if force else "reason": reason}
        outcome = promote_version(workspace, known[0], version, known[1], **why)
    if as_json:
        print_json(outcome.to_dict())
    elif markdown:
        title = f"{outcome.version.name}, version {outcome.version.version}"
        click.echo(verdict_markdown(outcome.verdict, title, outcome.status), nl=False)
    else:
        print_table(f"Version {outcome.version.version}", COLUMNS, verdict_rows(outcome.verdict))
        console.print(f"Status: {outcome.status}\nNext: {outcome.make_next_step(model_name)}")
    return 0 if outcome.promoted else EXIT_NO


def _find_rows(
    workspace: Workspace, project: Project, settings: Settings, info: VersionInfo, named: NamedRows
) -> tuple[Project, Dataset] | None:
    """The rows for the gates, and the project that they belong to; None where none are known."""
    try:
        known = read_test_data(workspace, project, settings, info, named)
        return known.project, known.find_test_rows()
    except (ProjectError, DataError) as error:
        # A training from Python may have kept no row that it did not train on.
        if error.code not in ("project.no-rows", "data.no-test-rows") or project.has_rows or named.file is not None:
            raise
        return None


def _promote_without_gates(workspace: Workspace, info: VersionInfo, why: str, *, as_json: bool) -> int:
    from tiltyard.pipeline import point_alias

    if not why:
        raise UsageError(
            f"There are no labelled rows for the gates: {info.name} has no project file, and version {info.version} "
            "does not say which test rows its training had.",
            next_step="Give rows: --data FILE. Or promote it without the gates: --force --reason WHY.",
            code="promotion.no-rows",
        )
    workspace.load(info)  # the gates may be left out, the check of its files may not
    before = point_alias(workspace, info.name, version=info.version, alias=CHAMPION, reason=why)
    if as_json:
        print_json({"model": info.name, "champion": info.version, "before": before, "gates": "not run"})
    else:
        console.print(f"Status: Version {info.version} of {info.name} is champion now; no gate was run.")
    return 0
