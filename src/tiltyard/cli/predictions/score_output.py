"""What ``tiltyard score`` shows: the progress of a run, and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from tiltyard.cli.output import console, print_line, print_pairs, print_table
from tiltyard.formatting import format_count

if TYPE_CHECKING:
    from tiltyard.batch.results import ScoreResult
    from tiltyard.batch.run import ProgressSoFar

_MOST_STEPS = 3


@contextmanager
def show_score_progress(*, quiet: bool) -> Iterator[Callable[[ProgressSoFar], object]]:
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


def render_result(result: ScoreResult) -> None:
    """Print a result for people."""
    if result.already:
        print_line(
            "Nothing to do: run {} finished on {:%Y-%m-%d %H:%M} UTC, and neither the source nor its results changed.",
            result.run_id[:8],
            result.finished,
        )
    else:
        print_line("[bold]{}[/bold] version {} scored {}", result.model_name, result.version, result.source)
    pairs: list[tuple[str, object]] = [
        ("result", f"{result.target} ({format_count(result.scored, 'row')})"),
        ("recorded", format_count(result.recorded, "prediction")),
    ]
    if result.resumed:
        pairs.append(("resumed", f"{format_count(result.resumed, 'fragment')} done before"))
    if result.refused:
        pairs.append(("refused", f"{format_count(result.refused, 'row')}, with reasons in {result.refused_file}"))
    if result.unusual:
        pairs.append(("unusual", f"{format_count(result.unusual, 'row')} with values that training did not know"))
    if result.abstained:
        pairs.append(("abstained", f"{format_count(result.abstained, 'row')} left to a person"))
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
