"""``tiltyard score``: score a whole table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from tiltyard import wiring
from tiltyard.batch.from_python import ScoreOptions
from tiltyard.batch.plan import Record
from tiltyard.batch.results import ScoreResult
from tiltyard.batch.run import ProgressSoFar, score_table
from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import Words, json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_line, print_pairs, print_table
from tiltyard.cli.versions.find_project import find_project

_MOST_STEPS = 3


@click.command()
@click.argument("source")
@click.option("--to", "target", required=True, help="A file (.parquet, .csv, .jsonl), a folder/, or a database's URL.")
@project_option
@model_option
@click.option("--version", type=Words(), default=None, help="A version number.")
@click.option("--alias", type=Words(), default=None, help="An alias.  [default: champion]")
@click.option("--columns", default=None, help="Columns to carry along, with commas between; * for all.")
@click.option("--key", default=None, help="Column with your own key of each row, for labels that come later.")
@click.option(
    "--record", type=click.Choice(["all", "sample", "none"]), default=None, help="Predictions to keep in the ledger."
)
@click.option("--probabilities", is_flag=True, default=None, help="Add the probability of each class.")
@click.option("--strict", is_flag=True, help="Stop at a row that cannot be scored, instead of setting it aside.")
@click.option("--query", default=None, help="SQL query for the rows, where the source is a database.")
@click.option("--table", default=None, help="Table of the rows, where the source is a database.")
@click.option("--to-table", default=None, help="Table of the results, where the target is a database.")
@click.option("--workers", type=click.IntRange(1, 256), default=None, help="Processes that score.")
@click.option("--restart", is_flag=True, help="Forget an unfinished run to this target.")
@click.option("--overwrite", is_flag=True, help="Replace a target that no batch run wrote.")
@json_option
def score_command(
    source: str,
    target: str,
    project_path: Path | None,
    model_name: str | None,
    version: str | None,
    alias: str | None,
    columns: str | None,
    key: str | None,
    record: str | None,
    probabilities: bool | None,
    strict: bool,
    query: str | None,
    table: str | None,
    to_table: str | None,
    workers: int | None,
    restart: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Score a whole table: files, a folder, URLs or a database, whatever their size.

    The results appear whole. A run that was interrupted continues when it is started again, each row is scored and
    recorded once, and a run that is finished is not done again. Rows that cannot be scored go to a file next to the
    result, with the reason. Exit code 3 when the run as a whole shows something: drift, or many such rows.
    """
    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    options = ScoreOptions(
        version=version,
        alias=alias,
        columns=None if columns is None else _split(columns),
        key=key,
        record=cast("Record | None", record),
        probabilities=probabilities,
        strict=strict,
        query=query,
        table=table,
        to_table=to_table,
        workers=workers,
        restart=restart,
        overwrite=overwrite,
    )
    job = options.make_job(project, settings, source, target, Path.cwd())
    with _show_progress(quiet=as_json) as on_progress:
        result = score_table(job, replace(options.run, on_progress=on_progress))
    if as_json:
        print_json(result.to_dict())
    else:
        _render(result)
    if result.alarms:
        sys.exit(EXIT_NO)


def _split(columns: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in columns.split(",") if name.strip())


@contextmanager
def _show_progress(*, quiet: bool) -> Iterator[Callable[[ProgressSoFar], object]]:
    """A bar with rate and remaining time in a terminal; elsewhere nothing."""
    if quiet or not console.is_terminal:
        yield lambda _so_far: None
        return
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("Scoring", total=None, rate="")

    def show(so_far: ProgressSoFar) -> None:
        elapsed = bar.tasks[0].elapsed or 0.0
        rate = (so_far.rows - so_far.before) / elapsed if elapsed > 0 else 0.0
        total = None if so_far.total is None else max(so_far.total, so_far.rows)
        bar.update(task, total=total, completed=so_far.rows, rate=f"{rate:,.0f} a second" if rate else "")

    with bar:
        yield show


def _render(result: ScoreResult) -> None:
    if result.already:
        print_line(
            "Nothing to do: run {} finished on {:%Y-%m-%d %H:%M} UTC, and neither the source nor its results changed.",
            result.run_id[:8],
            result.finished,
        )
    else:
        print_line("[bold]{}[/bold] version {} scored {}", result.model_name, result.version, result.source)
    pairs: list[tuple[str, object]] = [
        ("result", f"{result.target} ({result.scored:,} rows)"),
        ("recorded", f"{result.recorded:,} predictions"),
    ]
    if result.resumed:
        pairs.append(("resumed", f"{result.resumed:,} fragments were done before"))
    if result.refused:
        pairs.append(("refused", f"{result.refused:,} rows, with reasons in {result.refused_file}"))
    if result.unusual:
        pairs.append(("unusual", f"{result.unusual:,} rows have values that training did not know"))
    if result.abstained:
        pairs.append(("abstained", f"{result.abstained:,} rows are left to a person"))
    if result.labels:
        shares = ", ".join(f"{name} {count:,}" for name, count in result.labels.items())
        pairs.append(("predicted", shares))
    pairs.append(("run", result.run_id))
    print_pairs(pairs)
    shown = [found for found in result.findings if found.is_found or found.code == "drift.verdict"]
    if shown:
        cells = (
            (one.code, one.subject, one.status if not one.is_found else one.severity, one.message) for one in shown
        )
        print_table("Findings", ("Finding", "Subject", "Verdict", "Details"), cells)
    steps = dict.fromkeys(found.next_step for found in result.alarms if found.next_step)
    for step in list(steps)[:_MOST_STEPS]:
        print_line("[cyan bold]next:[/cyan bold] {}", step)
