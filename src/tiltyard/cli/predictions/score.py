"""``tiltyard score``: score a whole table."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from tiltyard.cli.main import EXIT_NO
from tiltyard.cli.options import Number, Words, json_option, model_option, project_option
from tiltyard.cli.output import print_json
from tiltyard.cli.predictions.score_output import render_result, show_score_progress
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UsageError

if TYPE_CHECKING:
    from tiltyard.batch.plan import Record
    from tiltyard.engines import EngineName


@click.command()
@click.argument("source", required=False, default=None)
@click.option("--to", "target", default=None, help="A file (.parquet, .csv, .jsonl), a folder/, or a database's URL.")
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
@click.option(
    "--confidence-level",
    "level",
    type=Number(),
    default=None,
    help="Add prediction sets: labels among which the true one is with this confidence, such as 0.9.",
)
@click.option("--strict", is_flag=True, help="Stop at a row that cannot be scored, instead of setting it aside.")
@click.option("--query", default=None, help="SQL query for the rows, where the source is a database.")
@click.option("--table", default=None, help="Table of the rows, where the source is a database.")
@click.option("--to-table", default=None, help="Table of the results, where the target is a database.")
@click.option("--workers", type=click.IntRange(1, 256), default=None, help="Processes that score.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default=None, help="Where they are: here, or on Ray.")
@click.option("--restart", is_flag=True, help="Forget an unfinished run to this target.")
@click.option("--overwrite", is_flag=True, help="Replace a target that no batch run wrote.")
@click.option("--if-due", is_flag=True, help="Only what its schedule says; without a name, each table that is due.")
@click.option("--list", "list_all", is_flag=True, help="List the tables of the project file and their schedules.")
@json_option
def score_command(
    source: str | None,
    target: str | None,
    project_path: Path | None,
    model_name: str | None,
    version: str | None,
    alias: str | None,
    columns: str | None,
    key: str | None,
    record: str | None,
    probabilities: bool | None,
    level: float | None,
    strict: bool,
    query: str | None,
    table: str | None,
    to_table: str | None,
    workers: int | None,
    engine: EngineName | None,
    restart: bool,
    overwrite: bool,
    if_due: bool,
    list_all: bool,
    as_json: bool,
) -> None:
    """Score a whole table: files, a folder, URLs or a database, whatever their size.

    Without --to, SOURCE is the name of a table of the project file, [batch.NAME]. `tiltyard up` scores those that have
    a schedule.

    The results appear whole. A run that was interrupted continues when it is started again, each row is scored and
    recorded once, and a run that is finished is not done again. Rows that cannot be scored go to a file next to the
    result, with the reason. Exit code 3 when the run as a whole shows something: drift, or many such rows.
    """
    from tiltyard import wiring
    from tiltyard.batch.from_python import ScoreOptions
    from tiltyard.batch.run import score_table

    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    given: dict[str, Any] = {
        "version": version,
        "alias": alias,
        "columns": None if columns is None else _split(columns),
        "key": key,
        "record": cast("Record | None", record),
        "probabilities": probabilities,
        "confidence_level": level,
        "query": query,
        "table": table,
        "to_table": to_table,
    }
    how: dict[str, Any] = {"workers": workers, "engine": engine, "restart": restart, "overwrite": overwrite}
    if target is None or if_due or list_all:
        from tiltyard.cli.predictions.score_tables import list_tables, score_by_name

        _refuse_options({**given, "to": target, "strict": strict or None}, list_all=list_all)
        if list_all:
            list_tables(project, settings, as_json=as_json)
            return
        if score_by_name(project, settings, source, ScoreOptions(**how).run, if_due=if_due, as_json=as_json):
            sys.exit(EXIT_NO)
        return
    if source is None:
        raise UsageError("No SOURCE is given.", next_step="Name what is scored: tiltyard score SOURCE --to RESULT")
    options = ScoreOptions(**given, strict=strict, **how)
    job = options.make_job(project, settings, source, target, Path.cwd())
    with show_score_progress(quiet=as_json) as on_progress:
        result = score_table(job, replace(options.run, on_progress=on_progress))
    if as_json:
        print_json(result.to_dict())
    else:
        render_result(result)
    if result.alarms:
        sys.exit(EXIT_NO)


def _split(columns: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in columns.split(",") if name.strip())


def _refuse_options(given: dict[str, Any], *, list_all: bool) -> None:
    """Refuse what the project file says of a table.

    Raises:
        UsageError: it is given.
    """
    for name, value in given.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            where = "--list takes none" if list_all else "the table [batch.NAME] says it"
            raise UsageError(
                f"{option} cannot be given here: {where}.",
                next_step=f"Leave {option} out, or name a source and a target: tiltyard score SOURCE --to RESULT",
            )
