"""What ``tiltyard init`` shows and asks on a terminal, and what it prints at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.output import console, print_line, print_table
from tiltyard.errors import DataError
from tiltyard.formatting import format_count, join_names
from tiltyard.suggest import nearest

if TYPE_CHECKING:
    import pandas as pd

    from tiltyard.data.inference.infer_columns import InferredColumns
    from tiltyard.findings import Finding
    from tiltyard.pipeline.project_draft.request import DraftRequest, FirstRead, ProjectDraft

_FIRST_ROWS = 5
_MOST_COLUMNS = 8
_CELL = 24
_NO_TEXT = "none"
_WITHOUT_LABEL = ("data.no-label", "data.label-continuous", "data.one-class")


def ask_about_columns(request: DraftRequest, read: FirstRead) -> tuple[DraftRequest, FirstRead, InferredColumns]:
    """Show the first rows and the guesses, and ask for label and text until the person takes what is shown.

    Returns:
        What is known now, the rows (their dates in the order that was chosen), and the guess.
    """
    from tiltyard.pipeline.project_draft.draft import guess_columns
    from tiltyard.tasks import TASKS, find_task

    _print_first_rows(read.frame)
    for notice in read.layout.notices:
        print_line("{}", notice)
    read = _ask_for_date_order(read)
    while True:
        try:
            guess = guess_columns(request, read)
        except DataError as error:
            if error.code not in _WITHOUT_LABEL:
                raise
            print_line("[red]{}[/red]", str(error))
            request = _name_label(request, _ask_for_column("Label", read.frame, None))
            continue
        _print_guess(guess)
        label = _ask_for_column("Label", read.frame, guess.label)
        if label != guess.label:
            request = _name_label(request, label)
            continue
        text = (
            _ask_for_column(f"Text ({_NO_TEXT} for a table)", read.frame, guess.text, _NO_TEXT) if guess.text else None
        )
        if text == guess.text:
            return request, read, guess
        task = find_task("table" if text == _NO_TEXT else "text", TASKS[guess.task].target)
        named = replace(request.named, text=None if text == _NO_TEXT else text, task=task)
        request = replace(request, named=named)


def _ask_for_date_order(read: FirstRead) -> FirstRead:
    """The rows with their dates in the order that the person names, where the cells do not show it."""
    from tiltyard.data.inference.date_order import DAY_FIRST, MONTH_FIRST
    from tiltyard.pipeline.project_draft.request import read_dates

    if not read.dates.ambiguous:
        return read
    cells = join_names([f"'{name}' ({cell})" for name, cell in read.dates.ambiguous.items()])
    print_line("{}", f"Dates whose order the cells do not show: {cells}.")
    order = click.prompt("Date order", type=click.Choice([DAY_FIRST, MONTH_FIRST, _NO_TEXT]), default=_NO_TEXT)
    return read if order == _NO_TEXT else read_dates(read, order)


def ask_about_leaks(leaks: Sequence[Finding]) -> list[str]:
    """Ask for each column that gives the label away whether it is left out; the names of those that stay."""
    kept = []
    for leak in leaks:
        print_line("[yellow]{}[/yellow]", leak.message)
        if not click.confirm(f"Leave '{leak.subject}' out?", default=True):
            kept.append(leak.subject)
    return kept


def list_findings(read: FirstRead, draft: ProjectDraft, leaks: Sequence[Finding]) -> list[Finding]:
    """What reading renamed, what is left out and why, and what gives the label away."""
    from tiltyard.pipeline.project_draft.draft_findings import describe_dates, describe_guess

    given_away = {leak.subject for leak in leaks}
    guessed = [found for found in describe_guess(draft.guess) if found.subject not in given_away]
    return [
        *draft.dataset.findings,
        *describe_dates(read.dates, draft.guess),
        *guessed,
        *(_leave_out_finding(leak) for leak in leaks),
    ]


def print_draft(output: Path, read: FirstRead, draft: ProjectDraft, leaks: Sequence[Finding]) -> None:
    """What was written, what was left out and why, and what comes next."""
    from tiltyard.data.inference.task_part import TaskData

    guess = draft.guess
    for notice in read.layout.notices:
        print_line("{}", notice)
    for found in list_findings(read, draft, leaks):
        if found.severity == "info":
            print_line("{}", found.message)
        else:
            print_line("[yellow]{}[/yellow] {}", found.message, found.next_step)
    if guess.metric != "accuracy":
        print_line("The metric is {}: {}.", guess.metric, guess.metric_reason)
    rows = len(draft.dataset)
    also = f", of {format_count(len(read.frame), 'row')} in the data" if rows < len(read.frame) else ""
    print_line(
        "Wrote [bold]{}[/bold] for {}{}: {}, label '{}'",
        output,
        format_count(rows, "row"),
        also,
        guess.task,
        guess.label,
        end="",
    )
    console.print(
        f" ({TaskData.find_for(guess.task).describe_label(guess.classes)})"
        + (f", text '{guess.text}'." if guess.text else ".")
    )
    if guess.runners_up:
        others = ", ".join(f"'{found.name}'" for found in guess.runners_up)
        print_line("Other columns that may be the label: {} (--label).", others)
    print_line("Check the guessed columns, then: [bold]tiltyard train --champion[/bold]")


def _leave_out_finding(leak: Finding) -> Finding:
    return replace(leak, message=f"'{leak.subject}' is left out: {leak.message}")


def _print_first_rows(frame: pd.DataFrame) -> None:
    names = [str(name) for name in frame.columns[:_MOST_COLUMNS]]
    rows = [[_cut(row[name]) for name in names] for row in frame.head(_FIRST_ROWS).to_dict("records")]
    more = f", {frame.shape[1] - len(names)} columns more" if frame.shape[1] > len(names) else ""
    print_table(f"First of {format_count(len(frame), 'row')}{more}", names, rows)


def _print_guess(guess: InferredColumns) -> None:
    from tiltyard.data.inference.task_part import TaskData

    rows = [(column.name, column.kind, column.role, column.reason) for column in guess.columns]
    print_table("\nColumns", ("Column", "Holds", "Taken as", "Why"), rows)
    for found in guess.runners_up:
        print_line("May be the label, too: '{}' ({})", found.name, "; ".join(found.reasons))
    print_line(
        "Label '{}': {}. Metric {}: {}.",
        guess.label,
        TaskData.find_for(guess.task).describe_label(guess.classes),
        guess.metric,
        guess.metric_reason,
    )


def _name_label(request: DraftRequest, label: str) -> DraftRequest:
    return replace(request, named=replace(request.named, label=label))


def _ask_for_column(what: str, frame: pd.DataFrame, default: str | None, *also: str) -> str:
    names = [str(name) for name in frame.columns]
    while True:
        reply = str(click.prompt(what, default=default)).strip()
        if reply in (*names, *also):
            return reply
        print_line("{}", f"There is no column '{reply}'.{nearest(reply, names)}")


def _cut(cell: object) -> str:
    text = str(cell)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
