"""``tiltyard feedback``: import labels for recorded predictions, list and count them."""

from __future__ import annotations

import sys
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tiltyard.choices import LABEL_FILE_COLUMNS
from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_counts, print_json, print_line, print_table
from tiltyard.cli.time_options import parse_time, parse_timezone
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import DataError
from tiltyard.formatting import choose_form, format_count

if TYPE_CHECKING:
    from tiltyard.monitoring.labels.label_import import ImportReport

_KINDS = {
    "stored": "stored",
    "corrected": "of these, corrections",
    "superseded": "of these, older than the current label",
    "rare": "of these, of a class that training set aside or merged",
    "late": "of these, late",
    "zoneless": "of these, with a time without a time zone, read as UTC (see --timezone)",
    "repeated": "already known",
    "unexpected": "set aside: not a class of the version",
    "ambiguous": "set aside: the key was used for several predictions",
    "ahead": "set aside: the time is in the future",
    "unknown": "for predictions that the ledger does not hold",
    "unlabelled": "without a label",
    "invalid": "invalid",
}
_SHOWN = frozenset({"rare", "unknown", "invalid", "unexpected", "ambiguous", "ahead"})


@click.group()
def feedback_group() -> None:
    """Import labels for recorded predictions, list and count them."""


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@project_option
@model_option
@click.option("--id-column", default=LABEL_FILE_COLUMNS["id"], show_default=True, help="Column of the prediction ids.")
@click.option("--key-column", default=LABEL_FILE_COLUMNS["key"], show_default=True, help="Column of your keys.")
@click.option("--label-column", default=LABEL_FILE_COLUMNS["label"], show_default=True, help="Column of the labels.")
@click.option("--at-column", default=LABEL_FILE_COLUMNS["at"], show_default=True, help="Column of the labels' times.")
@click.option("--timezone", "zone", default=None, help="Zone of times that name none; default: data.timezone, or UTC.")
@click.option("--source", default=None, help="Source of the labels, recorded with them.  [default: the file's name]")
@json_option
def import_labels_command(
    file: Path,
    project_path: Path | None,
    model_name: str | None,
    id_column: str,
    key_column: str,
    label_column: str,
    at_column: str,
    zone: str | None,
    source: str | None,
    as_json: bool,
) -> None:
    """Import labels from a CSV, TSV, JSON Lines or Parquet FILE.

    Each row names a prediction by its id, or by the key that the caller sent with it. Rows without a label are
    skipped, known labels are not stored twice, and a later label corrects an earlier one. Labels that the version does
    not know, that have a time in the future, or whose prediction is not known are set aside, with exit code 3. The
    command fails if no label was stored or known.
    """
    from tiltyard import wiring
    from tiltyard.monitoring.labels.label_import import ImportOptions, LabelColumns, import_labels, read_labels
    from tiltyard.tasks import TASKS

    project = find_project(project_path, model_name)
    zone = zone or project.data.timezone
    timezone = None if zone is None else parse_timezone("--timezone", zone)
    # A column that is named with the option is the only one that is meant.
    instead = project.data.label if label_column == LABEL_FILE_COLUMNS["label"] else None
    columns = LabelColumns(id_column, key_column, label_column, at_column, instead)
    frame = read_labels(file, columns)
    with open_current_ledger(wiring.load_settings(project)) as ledger, _progress_bar(as_json) as progress:
        task = progress.add_task("labels", total=len(frame))
        report = import_labels(
            ledger,
            project.model_name,
            frame,
            columns=columns,
            options=ImportOptions(
                source or file.name,
                timedelta(hours=project.monitoring.window_hours),
                timezone,
                TASKS[project.task].target,
            ),
            advance=lambda rows: progress.advance(task, rows),
        )
    if as_json:
        print_json(report.to_dict())
    else:
        _render(report)
    if report.nothing_new:
        raise DataError(
            f"None of the {format_count(report.rows, 'row')} of {file} was stored.",
            next_step=f"Fill in its column '{label_column}', or name the one that holds the labels: --label-column NAME"
            if report.unlabelled == report.rows and label_column in frame
            else "Compare its ids, keys and labels with: tiltyard predictions export",
            code="feedback.nothing-stored",
        )
    if report.set_aside:
        sys.exit(EXIT_NO)


@feedback_group.command("stats")
@project_option
@model_option
@json_option
def label_stats_command(project_path: Path | None, model_name: str | None, as_json: bool) -> None:
    """Count the labels, and the share of predictions that have one."""
    from tiltyard import wiring
    from tiltyard.monitoring.labels.label_import import count_labels

    project = find_project(project_path, model_name, quiet=True)
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        counts = count_labels(ledger, project.model_name)
    if as_json:
        print_json(counts)
        return
    print_counts(counts)


@feedback_group.command("list")
@project_option
@model_option
@click.option("--since", default=None, help="Only labels reported since this time (ISO 8601).")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Maximum number.")
@click.option("--all", "superseded", is_flag=True, help="Include labels that were corrected later.")
@json_option
def list_labels_command(
    project_path: Path | None, model_name: str | None, since: str | None, limit: int, superseded: bool, as_json: bool
) -> None:
    """List labels in the order in which they were reported."""
    from tiltyard import wiring

    project = find_project(project_path, model_name, quiet=True)
    with open_current_ledger(wiring.load_settings(project)) as ledger:
        found = ledger.labels(model_name=project.model_name, since=parse_time("--since", since), superseded=superseded)
        rows = list(islice(found, limit))
    if as_json:
        names = ("prediction_id", "label", "at", "source", "reason")
        print_json([{name: getattr(row, name) for name in names} for row in rows])
        return
    cells = ((row.at, row.prediction_id, row.label, row.source, row.reason) for row in rows)
    print_table("Labels", ("Reported", "Prediction", "Label", "Source", "Why"), cells)


feedback_group.add_command(import_labels_command)


def _progress_bar(quiet: bool) -> Progress:
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*parts, console=console, transient=True, disable=quiet or not console.is_terminal)


def _render(report: ImportReport) -> None:
    console.print(f"{format_count(report.rows, 'row')} read.")
    for kind, words in _KINDS.items():
        count = getattr(report, kind)
        if count or kind == "stored":
            examples = "; ".join(report.examples.get(kind, [])[:2]) if kind in _SHOWN else ""
            print_line("{:>9,} {}" + (" [dim]({})[/dim]" if examples else "{}"), count, words, examples)
    if report.unexpected_labels:
        named = sorted(report.unexpected_labels.items(), key=lambda item: (-item[1], item[0]))
        print_line("Labels set aside: {}", ", ".join(f"'{label[:60]}' ({count:,})" for label, count in named[:10]))
    if report.set_aside and not report.nothing_new:
        print_line(
            "{} not taken (exit code 3): correct {}, and import the file again; known labels stay as they are.",
            format_count(report.set_aside, "row was", "rows were"),
            choose_form(report.set_aside, "it", "them"),
        )
