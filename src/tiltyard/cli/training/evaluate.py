"""``tiltyard evaluate``: evaluate a version on the current test rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.options import Words, choose_version, json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_table
from tiltyard.cli.versions.find_project import find_project
from tiltyard.cli.versions.labelled_rows import NamedRows, data_options, read_test_data
from tiltyard.formatting import format_count

if TYPE_CHECKING:
    from tiltyard.evaluation import FairnessReport, Interval, SliceReport
    from tiltyard.pipeline import VersionEvaluation


@click.command()
@project_option
@model_option
@click.option("--version", type=Words(), default=None, help="A version number.")
@click.option("--alias", type=Words(), default=None, help="An alias.  [default: champion]")
@data_options
@json_option
def evaluate_command(
    project_path: Path | None,
    model_name: str | None,
    version: str | None,
    alias: str | None,
    rows: Path | None,
    label: str | None,
    text: str | None,
    as_json: bool,
) -> None:
    """Evaluate a version on the current test rows: metrics, slices and fairness.

    Rows that the version was trained on are left out. Nothing is recorded. Without a project file the rows are all of
    --data, or the test rows that the version's training kept.
    """
    from tiltyard import app_wiring, wiring
    from tiltyard.pipeline import evaluate_version
    from tiltyard.registry.package.skops_file import import_early

    project = find_project(project_path, model_name)
    import_early()
    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        workspace = app_wiring.open_workspace(settings, ledger)
        version, alias = choose_version(version, alias)
        info = workspace.registry.get_version(project.model_name, version=version, alias=alias)
        known = read_test_data(workspace, project, settings, info, NamedRows(rows, label, text))
        report = evaluate_version(workspace, known.project, info, known.find_test_rows())
    if as_json:
        print_json(report.to_dict())
        return
    _render(report)


def _render(report: VersionEvaluation) -> None:
    rows = f"{format_count(report.evaluation.rows, 'test row')}"
    if report.left_out:
        rows += f" ({report.left_out:,} training rows left out)"
    console.print(f"{report.version.name} version {report.version.version} on {rows}\n")
    then = report.version.metrics
    print_table(
        "Metrics",
        ("Metric", "Now", "At training"),
        ((name, value, then.get(name)) for name, value in report.evaluation.metrics.items()),
    )
    if report.examination.slices is not None:
        _render_slices(report.examination.slices)
    if report.examination.fairness is not None:
        _render_fairness(report.examination.fairness)


def _render_slices(report: SliceReport) -> None:
    from tiltyard.evaluation import get_metric

    console.print()
    print_table(
        "Slices",
        ("Column", "Value", "Rows", get_metric(report.base).title, "95 % interval", "Verdict"),
        (
            (
                part.column,
                part.title,
                part.rows,
                part.metrics[report.base],
                _format_interval(part.intervals[report.base]) if report.base in part.intervals else None,
                "worse than the rest" if part.worse else "" if part.could_judge else "too few rows",
            )
            for part in report.slices
        ),
    )


def _render_fairness(report: FairnessReport) -> None:
    console.print()
    print_table(
        "Fairness",
        ("Column", "Measure", "Value", "95 % interval", "Between", "Label"),
        (
            (
                column.column,
                measure.replace("_", " "),
                found.value,
                _format_interval(found.interval) if found.interval else None,
                f"{found.most} and {found.least}",
                label,
            )
            for column in report.columns
            for measure, (label, found) in column.worst.items()
        ),
    )
    for column in report.columns:
        for part in column.labels:
            for measure, reason in part.not_judged.items():
                console.print(
                    f"{column.column}, {part.label}: {measure.replace('_', ' ')} could not be computed: {reason}"
                )


def _format_interval(interval: Interval) -> str:
    return f"{interval.low:.4f} to {interval.high:.4f}"
