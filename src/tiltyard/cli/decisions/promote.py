"""``tiltyard promote``: run the gates for a registered version."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard import app_wiring, wiring
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console, print_json, print_table
from tiltyard.data import load_dataset, split_dataset
from tiltyard.errors import UsageError
from tiltyard.pipeline import promote_version
from tiltyard.project import load_project
from tiltyard.promotion.gates import COLUMNS, verdict_markdown, verdict_rows


@click.command()
@click.argument("version")
@project_option
@click.option("--force", is_flag=True, help="Promote the version even if gates refuse it; needs --reason.")
@click.option("--reason", default="", help="Why the gates are overruled; recorded with the decision and who made it.")
@click.option("--markdown", is_flag=True, help="Print the verdict as Markdown, for a pull request.")
@json_option
def promote_command(
    version: str, project_path: Path | None, force: bool, reason: str, markdown: bool, as_json: bool
) -> int:
    """Run the gates for a registered version; it becomes champion if it passes.

    Champion and challenger are compared on the current test rows that neither was trained on. A first champion is
    compared with guessing on the same rows. Exit code 3 when the gates refuse the version.

    With --force --reason the version becomes champion even so; the decision keeps the verdict, who and why.
    """
    if force and not reason.strip():
        raise UsageError(
            "--force overrules the gates, and the decision gives no reason.",
            next_step="Say why with --reason; it is kept.",
            code="decision.no-reason",
        )
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    test = split_dataset(load_dataset(project), project.split, project.data.time).test
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger, project)
        outcome = promote_version(workspace, project, version, test, force=reason if force else "")
    if as_json:
        print_json(outcome.to_dict())
    elif markdown:
        title = f"{outcome.version.name}, version {outcome.version.version}"
        click.echo(verdict_markdown(outcome.verdict, title, outcome.status), nl=False)
    else:
        print_table(f"Version {outcome.version.version}", COLUMNS, verdict_rows(outcome.verdict))
        console.print(f"Status: {outcome.status}")
    return 0 if outcome.promoted else EXIT_NO
