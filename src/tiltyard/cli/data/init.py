"""``tiltyard init``: write a commented project file for a data file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.choices import PROJECT_FILE
from tiltyard.cli.data.init_dialogue import ask_about_columns, ask_about_leaks, list_findings, print_draft
from tiltyard.cli.options import Words, json_option
from tiltyard.cli.output import print_json, print_line
from tiltyard.errors import UsageError
from tiltyard.files import write_atomically
from tiltyard.jsonable import to_jsonable
from tiltyard.tasks import TASKS

if TYPE_CHECKING:
    from tiltyard.data.inference.infer_columns import InferredColumns
    from tiltyard.findings import Finding
    from tiltyard.pipeline.project_draft.request import DraftRequest, FirstRead, ProjectDraft

_FIRST_ROWS = 5
_OPTIONS = (
    click.option("--name", type=Words(), default=None, help="Name of the project.  [default: from the folder's name]"),
    click.option(
        "--model-name", type=Words(), default=None, help="Registered model to continue.  [default: NAME-classifier]"
    ),
    click.option("--label", default=None, help="Column of the label.  [default: guessed]"),
    click.option("--text", default=None, help="Column of the text.  [default: guessed]"),
    click.option("--task", type=click.Choice(tuple(TASKS)), default=None, help="Task.  [default: guessed]"),
    click.option("--positive", default=None, help="Positive class, of two.  [default: guessed]"),
    click.option("--metric", default=None, help="Metric.  [default: by the shares of the classes]"),
    click.option("--ignore", multiple=True, metavar="COLUMN", help="Column that is never a feature; repeatable."),
    click.option("--keep", multiple=True, metavar="COLUMN", help="Column that stays a feature; repeatable."),
    click.option("--time", default=None, help="Column that says when a row was created.  [default: guessed]"),
    click.option("--group", default=None, help="Column of the key of rows that belong together."),
    click.option("--sensitive", multiple=True, metavar="COLUMN", help="Column of groups for fairness; repeatable."),
    click.option(
        "--format",
        type=click.Choice(["csv", "tsv", "json", "jsonl", "parquet", "excel", "folder"]),
        default=None,
        help="Format of the file.  [default: by its name, else by its content]",
    ),
    click.option("--sep", default=None, help="Separator of the cells, such as ';' or tab.  [default: detected]"),
    click.option("--encoding", default=None, help="Encoding, such as windows-1252.  [default: detected]"),
    click.option(
        "--decimal", type=click.Choice([".", ","]), default=None, help="Decimal separator.  [default: detected]"
    ),
    click.option(
        "--date-order",
        default=None,
        metavar="ORDER",
        help="How dates are written: iso, day-first, month-first or a format such as '%d %b %Y'.  [default: detected]",
    ),
    click.option("--gap", "gaps", multiple=True, metavar="WORD", help="Word that is a missing value; repeatable."),
    click.option("--sheet", default=None, help="Sheet of an Excel workbook.  [default: the first]"),
)


def _add_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@_add_options
@click.option("--no-header", is_flag=True, help="The first row holds no names.  [default: detected]")
@click.option("--output", type=click.Path(path_type=Path), default=Path(PROJECT_FILE), help="File to write.")
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option("--yes", is_flag=True, help="Take every guess without asking.")
@click.option("--no-check", is_flag=True, help="Write the file even if validation would refuse the data.")
@json_option
def init_command(
    data: Path,
    output: Path,
    *,
    force: bool,
    yes: bool,
    no_check: bool,
    no_header: bool,
    as_json: bool,
    **stated: Any,
) -> None:
    """Write a commented tiltyard.toml for a data file.

    DATA is a CSV, TSV, JSON, JSON Lines, Parquet or Excel file, plain or compressed, or a folder with one subfolder of
    .txt files for each label. How the file is written (encoding, separators, header) is detected and written into
    tiltyard.toml. On a terminal, init shows what it takes each column for, and asks; with --yes it takes its guesses.
    """
    from tiltyard.pipeline.project_draft.draft import guess_columns
    from tiltyard.pipeline.project_draft.request import read_data_file

    if output.exists() and not force:
        raise UsageError(f"{output} exists.", next_step="Use --force to replace it, or --output for another file.")
    request = _build_request(data, output, stated, header=False if no_header else None)
    read = read_data_file(request)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    ask = terminal and not yes and not as_json
    if not ask and not yes and not as_json:
        print_line("Without a terminal every guess is taken, as with --yes.")
    if ask:
        request, read, guess = ask_about_columns(request, read)
    else:
        guess = guess_columns(request, read)
    draft, leaks = _settle_leaks(request, read, guess, ask=ask, check=not no_check)
    write_atomically(output, draft.content.encode("utf-8"))
    if as_json:
        print_json(_as_json(output, read, draft, leaks))
    else:
        print_draft(output, read, draft, leaks)


def _settle_leaks(
    request: DraftRequest, read: FirstRead, guess: InferredColumns, *, ask: bool, check: bool
) -> tuple[ProjectDraft, tuple[Finding, ...]]:
    """The draft without the columns that give the label away, and what was found about these."""
    from tiltyard.findings import Finding
    from tiltyard.pipeline.project_draft.draft import (
        LEAK,
        check_draft,
        draft_project,
        find_leaks,
        leave_out,
        refuse_draft,
    )

    draft, settled = draft_project(request, read, guess), tuple[Finding, ...]()
    if not check:
        return draft, settled
    leaks = find_leaks(draft)
    if leaks:
        kept = {leak.subject for leak in leaks if leak.subject in request.named.kept}
        kept |= set(ask_about_leaks([leak for leak in leaks if leak.subject not in kept])) if ask else set()
        settled = tuple(leak for leak in leaks if leak.subject not in kept)
        without = leave_out(guess, {leak.subject: "it gives the label away" for leak in settled})
        draft = draft_project(request, read, without, tuple(f"{LEAK}:{name}" for name in sorted(kept)))
    refuse_draft(check_draft(draft))
    return draft, settled


def _build_request(data: Path, output: Path, stated: dict[str, Any], *, header: bool | None) -> DraftRequest:
    from tiltyard.data.inference.infer_columns import NamedColumns
    from tiltyard.pipeline.project_draft.request import DraftRequest
    from tiltyard.project import is_date_order

    separator = stated["sep"]
    if separator is not None:
        separator = {"tab": "\t", "\\t": "\t"}.get(separator, separator)
        if len(separator) != 1:
            raise UsageError(f"--sep {separator!r} is not one character.", next_step="Use one, or the word tab.")
    named = NamedColumns(
        label=stated["label"],
        text=stated["text"],
        task=stated["task"],
        time=stated["time"],
        ignore=stated["ignore"],
        kept=stated["keep"],
    )
    layout = {key: stated[key] for key in ("format", "encoding", "decimal", "sheet")}
    layout |= {"separator": separator, "gaps": stated["gaps"] or None}
    request = DraftRequest(data, output, name=stated["name"], model=stated["model_name"], named=named, layout=layout)
    others = {key: stated[key] for key in ("positive", "metric", "group", "sensitive")}
    order = stated["date_order"]
    if order is not None and not is_date_order(order):
        raise UsageError(
            f"--date-order {order!r} is not an order of dates.",
            next_step="Use iso, day-first, month-first or a format such as '%d %b %Y'.",
        )
    return replace(request, header=header, dates=order, **others)


def _as_json(output: Path, read: FirstRead, draft: ProjectDraft, leaks: tuple[Finding, ...]) -> dict[str, Any]:
    first = read.frame.head(_FIRST_ROWS)
    return {
        "file": str(output),
        "rows": len(draft.dataset),
        "rows_read": len(read.frame),
        "read_as": read.layout.options,
        "notices": read.layout.notices,
        "first_rows": to_jsonable(
            [{name: str(cell) for name, cell in row.items()} for row in first.to_dict("records")]
        ),
        "guess": to_jsonable(draft.guess),
        "findings": [found.to_dict() for found in list_findings(read, draft, leaks)],
    }
