"""``tiltyard validate``: whether the data may teach."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard import wiring
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console, print_json, print_table
from tiltyard.data import load_dataset, split_dataset
from tiltyard.data.validation import rows_for_table
from tiltyard.pipeline import validate_data
from tiltyard.project import load_project


@click.command()
@project_option
@click.option("--report", type=click.Path(path_type=Path), default=None, help="HTML page to write.")
@json_option
def validate(project_path: Path | None, report: Path | None, as_json: bool) -> int:
    """Check the data against the project's limits, and write a report.

    The page is written to .tiltyard/reports/validation.html unless --report names another file. Exit code 3 when a
    limit of [validation] is broken.
    """
    project = load_project(project_path)
    dataset = load_dataset(project)
    split = split_dataset(dataset, project.split, project.data.time)
    validation = validate_data(dataset, split, project)
    page = report or wiring.settings(project).state / "reports" / "validation.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(validation.html(), encoding="utf-8")
    if as_json:
        print_json(
            {
                "passed": validation.passed,
                "report": str(page),
                "data": validation.data.to_dict(),
                "split": validation.split.to_dict(),
            }
        )
    else:
        rows = [row[:4] for side in (validation.data, validation.split) for row in rows_for_table(side)]
        print_table(f"{project.data.source}: {len(dataset):,} rows", ("Severity", "Code", "Subject", "Found"), rows)
        verdict = "[green]may teach[/green]" if validation.passed else "[red]breaks the limits of the project[/red]"
        console.print(f"\nThe data {verdict}: {validation.summary}. Report: [bold]{page}[/bold]")
    return 0 if validation.passed else EXIT_NO
