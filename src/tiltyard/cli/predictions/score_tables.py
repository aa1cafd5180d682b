"""``tiltyard score NAME``: the tables of the project file, by name, by hand or where they are due."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tiltyard.cli.current_ledger import open_current_ledger
from tiltyard.cli.output import format_time, print_json, print_line, print_table
from tiltyard.cli.predictions.score_output import render_result, show_score_progress
from tiltyard.errors import TiltyardError, UnavailableError, UsageError
from tiltyard.jsonable import to_json_object

if TYPE_CHECKING:
    from tiltyard.batch.run import RunOptions
    from tiltyard.pipeline.schedules.overview import WorkOverview
    from tiltyard.pipeline.schedules.perform import Performed
    from tiltyard.project import Project
    from tiltyard.project.scheduled_work import ScheduledWork
    from tiltyard.settings import Settings


def score_by_name(
    project: Project, settings: Settings, name: str | None, options: RunOptions, *, if_due: bool, as_json: bool
) -> bool:
    """Score a table of the project file, or each that is due; returns whether a run shows something.

    Raises:
        UsageError: there is no such table, or none is named.
        UnavailableError: another process scores it at this moment.
        TiltyardError: it failed; of several, the first that did, after the others were scored.
    """
    from tiltyard.pipeline.schedules.checks import Watch
    from tiltyard.pipeline.schedules.perform import Performer
    from tiltyard.processes.stop_signal import exit_on_signal
    from tiltyard.project.scheduled_work import find_table

    if name is None and not if_due:
        raise UsageError(
            "No SOURCE is given.",
            next_step="Name what is scored: tiltyard score SOURCE --to RESULT, or a table: tiltyard score NAME",
        )
    chosen = _list_scheduled(project) if name is None else [find_table(project, name)]
    failed: list[TiltyardError] = []
    done: list[Performed] = []
    exit_on_signal()
    with open_current_ledger(settings) as ledger, show_score_progress(quiet=as_json) as on_progress:
        watch = Watch(project, ledger)
        performer = Performer(project, settings, ledger, watch, replace(options, on_progress=on_progress))
        for work in chosen:
            try:
                done.append(performer.perform(work, only_due=if_due))
            except TiltyardError as error:
                failed.append(error)
    if as_json and not failed:
        print_json(done[0] if name is not None else [to_json_object(one) for one in done])
    elif not as_json:
        for one in done:
            _render(one)
    if failed:
        raise failed[0]
    if name is not None and done[0].outcome == "busy" and not if_due:
        raise UnavailableError(done[0].summary, next_step="Wait until it ends, then try again.", code="batch.busy")
    return any(result.alarms for one in done for result in one.results)


def list_tables(project: Project, settings: Settings, *, as_json: bool) -> None:
    """List the tables of the project file, and the training where it has a schedule."""
    from tiltyard.pipeline.schedules.overview import list_overviews

    with open_current_ledger(settings) as ledger:
        found = list_overviews(project, ledger)
    if as_json:
        print_json([to_json_object(one) for one in found])
        return
    if not found:
        print_line("The project file describes no table. Add one: [batch.nightly] with source, target and schedule.")
        return
    print_table(
        f"Tables of {project.model_name}",
        ("Name", "Schedule", "Next", "Last", "Source", "Result", "State"),
        (_to_cells(one) for one in found),
    )


def _list_scheduled(project: Project) -> list[ScheduledWork]:
    from tiltyard.project.scheduled_work import list_work

    return [work for work in list_work(project) if work.table is not None and work.trigger is not None]


def _render(done: Performed) -> None:
    for result in done.results:
        render_result(result)
    if not done.results:
        print_line("{}: {}", done.work, done.summary)


def _to_cells(one: WorkOverview) -> tuple[object, ...]:
    state = one.outcome or "not run yet"
    if one.error is not None:
        state = f"failed {one.attempts}×: {one.error}"
    times = (format_time(moment) if moment is not None else "–" for moment in (one.next_run, one.last_run))
    return one.name, one.schedule or "by hand", *times, one.source, one.target or "–", state
