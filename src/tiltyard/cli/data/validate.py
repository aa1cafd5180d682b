"""``tiltyard validate``: check the data before training."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_line, print_table
from tiltyard.cli.versions.find_project import find_project
from tiltyard.cli.versions.labelled_rows import NamedRows, data_options, read_data
from tiltyard.errors import UsageError
from tiltyard.formatting import format_count

if TYPE_CHECKING:
    from tiltyard.batch.source_check import SourceCheck
    from tiltyard.data import Dataset
    from tiltyard.engines import EngineName
    from tiltyard.pipeline import DataCheck
    from tiltyard.project import Project
    from tiltyard.validation import DriftReport

_FINGERPRINT = re.compile(r"[0-9a-f]{32}")


@click.command()
@project_option
@model_option
@data_options
@click.option("--report", type=click.Path(path_type=Path), default=None, help="HTML page to write.")
@click.option(
    "--against",
    default=None,
    metavar="FILE|FINGERPRINT",
    help="Reference to compare the data with: a file, a URL, or the fingerprint of a snapshot.",
)
@click.option(
    "--periods", type=int, default=None, help="Split the data by data.time; compare each period to the first."
)
@click.option(
    "--source",
    default=None,
    help="A table of any size (file, glob, folder, URL), read in parts and compared with the champion's training rows.",
)
@click.option("--workers", type=click.IntRange(1, 256), default=None, help="Processes that read --source.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", help="Where they are: here, or on Ray.")
@json_option
def validate_command(
    project_path: Path | None,
    model_name: str | None,
    rows: Path | None,
    label: str | None,
    text: str | None,
    report: Path | None,
    against: str | None,
    periods: int | None,
    source: str | None,
    workers: int | None,
    engine: EngineName,
    as_json: bool,
) -> int:
    """Check the data against the project's limits, and write a report.

    With --against or --periods the report also shows drift. The report is written to
    .tiltyard/reports/validation.html unless --report names another file. Exit code 3 when the data breaks a limit of
    [validation].

    With --source a table that may be larger than memory is compared with the rows that the champion was trained on:
    cells that cannot be read, and drift. Exit code 3 when something needs attention.

    Without a project file the data is --data, or what the training of the champion (or the newest version) kept, and
    the limits are the defaults.
    """
    from tiltyard import wiring
    from tiltyard.batch.source_check import check_source
    from tiltyard.engines import choose_engine
    from tiltyard.pipeline import validate_data

    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    if source is not None:
        _refuse_more({"--data": rows, "--label": label, "--text": text, "--report": report, "--against": against})
        return _check_source(
            check_source(project, settings, source, choose_engine(engine, workers), Path.cwd()), as_json
        )
    known = read_data(project, settings, NamedRows(rows, label, text))
    project, dataset = known.project, known.dataset
    validation = replace(
        validate_data(dataset, known.split(), project), drift=_measure_drift(dataset, project, against, periods)
    )
    page = report or settings.state / "reports" / "validation.html"
    if report is None:
        settings.make_state()
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(validation.html(), encoding="utf-8")
    if as_json:
        print_json(_as_json(validation, page))
    else:
        _render(validation, f"{project.data.source}: {format_count(len(dataset), 'row')}", page)
    return 0 if validation.passed else EXIT_NO


def _refuse_more(given: dict[str, object]) -> None:
    """Refuse what --source leaves no room for.

    Raises:
        UsageError: it is given.
    """
    for option, value in given.items():
        if value is not None:
            raise UsageError(f"{option} cannot be given with --source.", next_step=f"Leave {option} out, or --source.")


def _check_source(found: SourceCheck, as_json: bool) -> int:
    if as_json:
        print_json(found.to_dict())
    else:
        shown = [one for one in found.findings if one.is_found or one.code == "drift.verdict"]
        cells = ((one.severity if one.is_found else one.status, one.code, one.subject, one.message) for one in shown)
        title = f"{found.source}: {format_count(found.rows, 'row')} compared with version {found.version}"
        print_table(title, ("Severity", "Code", "Subject", "Found"), cells)
    return 0 if found.passed else EXIT_NO


def _measure_drift(dataset: Dataset, project: Project, against: str | None, periods: int | None) -> DriftReport | None:
    from tiltyard import wiring
    from tiltyard.data.conform.gaps import list_gap_decisions
    from tiltyard.data.loading import read_rows
    from tiltyard.data.snapshots.snapshot import find_snapshot
    from tiltyard.pipeline import drift_from_previous, drift_over_time

    if against is not None and periods is not None:
        raise UsageError("--against and --periods name two references at once.", next_step="Leave one of the two out.")
    if periods is not None:
        return drift_over_time(dataset, project, periods)
    if against is None:
        return None
    decided = list_gap_decisions(dataset.findings)
    if _FINGERPRINT.fullmatch(against) and not Path(against).exists():
        source = find_snapshot(wiring.load_settings(project).snapshot_store, project.name, against)
        return drift_from_previous(
            dataset, project, read_rows(project, source, decided=decided), f"snapshot {against[:8]}"
        )
    if not any(character in against for character in ":*?[") and not Path(against).exists():
        raise UsageError(
            f"--against names {against}, which does not exist.",
            next_step="Name a file, a URL, or the fingerprint of a snapshot (32 hexadecimal digits).",
        )
    return drift_from_previous(dataset, project, read_rows(project, against, decided=decided), against)


def _as_json(validation: DataCheck, page: Path) -> dict[str, Any]:
    return {
        "passed": validation.passed,
        "report": str(page),
        "data": validation.data.to_dict(),
        "split": validation.split.to_dict(),
        "drift": validation.drift.to_dict() if validation.drift else None,
    }


def _render(validation: DataCheck, title: str, page: Path) -> None:
    from tiltyard.validation import rows_for_table

    sides = (validation.data, validation.split, *((validation.drift,) if validation.drift else ()))
    rows = [row[:4] for side in sides for row in rows_for_table(side)]
    print_table(title, ("Severity", "Code", "Subject", "Found"), rows)
    if validation.drift is not None and not validation.drift.findings:
        console.print("Nothing has drifted.")
    verdict = "[green]passes[/green]" if validation.passed else "[red]breaks the limits of the project[/red]"
    print_line("\nThe data " + verdict + ": {}. Report: [bold]{}[/bold]", validation.summary, page)
