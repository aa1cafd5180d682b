"""Whether something is due: by the clock, or since files, rows or labels are there that were not there before."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime

from tiltyard.batch.fragments import FileSource
from tiltyard.data.loading import find_section
from tiltyard.data.sources.databases import count_database_rows
from tiltyard.data.sources.location import SCHEMES, resolve_location
from tiltyard.errors import DataError
from tiltyard.formatting import format_count
from tiltyard.ledger import Ledger
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.pipeline.remediation.history import read_history
from tiltyard.pipeline.schedules.memory import Memory, WorkState
from tiltyard.pipeline.schedules.new_files import NewFile, check_files
from tiltyard.pipeline.training.production_data import count_new_labels
from tiltyard.project import Project
from tiltyard.project.schedule import NewFiles, NewRows
from tiltyard.project.scheduled_work import TRAINING, ScheduledWork


@dataclass(frozen=True)
class Due:
    """What is due, and why.

    Attributes:
        reason: for people.
        files: the new files.
        rows: how many rows the source has, where they were counted.
    """

    reason: str
    files: tuple[NewFile, ...] = ()
    rows: int | None = None


class Watch:
    """Says what is due. What it sees for the first time, it remembers; who acts on it holds the lease of the work.

    Args:
        project: the project.
        ledger: its ledger, whose clock counts.
    """

    def __init__(self, project: Project, ledger: Ledger) -> None:
        self._project, self._ledger = project, ledger
        self._events = ModelEvents(ledger, project.model_name)
        self.memory = Memory(ledger.notes, project.model_name)

    def read_state(self, work: ScheduledWork, now: datetime) -> WorkState:
        """What is remembered of the work; a schedule that is new begins now."""
        state = self.memory.read(work)
        if state is None:
            state = WorkState(work.spec, due=work.find_next(now))
            if work.name == TRAINING:
                # The model was trained from what is there already; a table was never scored by this schedule.
                state = self._take_stock(work, state, now)
            self.memory.write(work, state)
        return state

    def is_waiting(self, work: ScheduledWork, now: datetime) -> bool:
        """Whether the ledger alone says that nothing is due: sources need not be looked at."""
        state = self.read_state(work, now)
        if state.retry is not None and now < state.retry and not isinstance(work.trigger, NewFiles):
            return True
        return state.due is not None and now < state.due

    def check(self, work: ScheduledWork, now: datetime) -> Due | None:
        """What is due of the work; None for nothing.

        Raises:
            DataError: its source cannot be reached or counted.
            UnavailableError: the ledger is away.
        """
        if work.trigger is None or self.is_waiting(work, now):
            return None
        state = self.read_state(work, now)
        if isinstance(work.trigger, NewFiles):
            new = check_files(self._project, work, self.memory, now).new
            return Due(f"{format_count(len(new), 'new file')}", new) if new else None
        if isinstance(work.trigger, NewRows):
            return self._check_count(work, work.trigger, state)
        return Due(f"it was due at {state.due:%Y-%m-%d %H:%M} UTC" if state.due else "it is due")

    def find_files(self, work: ScheduledWork) -> tuple[NewFile, ...]:
        """The new files, those that failed included; waits until they are settled. For work that is begun by hand."""
        found = check_files(self._project, work, self.memory, self._ledger.leases.read_clock(), retry=True)
        if found.unsettled:
            time.sleep(self._project.batch.settle_seconds)
            found = check_files(self._project, work, self.memory, self._ledger.leases.read_clock(), retry=True)
        return found.new

    def count_rows(self, work: ScheduledWork) -> int | None:
        """How many rows the source has now, where the schedule counts them; None elsewhere."""
        if isinstance(work.trigger, NewRows) and work.trigger.unit == "rows":
            return count_source_rows(self._project, work)
        return None

    def _check_count(self, work: ScheduledWork, trigger: NewRows, state: WorkState) -> Due | None:
        if trigger.unit == "labels":
            labels = count_new_labels(self._ledger, self._project, self._find_last_training())
            return Due(f"{labels:,} new labels") if labels >= trigger.count else None
        rows = count_source_rows(self._project, work)
        before = state.rows or 0
        if rows < before:  # emptied or replaced: what comes from here on is new
            self.memory.write(work, replace(state, rows=rows))
            return None
        return Due(f"{rows - before:,} new rows", rows=rows) if rows - before >= trigger.count else None

    def _find_last_training(self) -> datetime | None:
        """When the last version was trained with labels from production; None where none was."""
        history = read_history(self._events.read(), self._project.model_name)
        taught = [action for action in history.actions if "train-version" in action.outcomes]
        return taught[-1].planned_at if taught else None

    def _take_stock(self, work: ScheduledWork, state: WorkState, now: datetime) -> WorkState:
        if isinstance(work.trigger, NewFiles):
            check_files(self._project, work, self.memory, now)
            for path, seen in self.memory.list_files(work).items():
                self.memory.write_file(work, path, replace(seen, status="done"))
        return replace(state, rows=self.count_rows(work))


def count_source_rows(project: Project, work: ScheduledWork) -> int:
    """How many rows a source has: counted by a database, known of Parquet, and of large text about.

    Raises:
        DataError: it cannot be reached, or its rows cannot be counted without reading it (``batch.no-count``).
    """
    table = work.table
    place = "data.source" if table is None else f"batch.{work.title}.source"
    location = resolve_location(work.source, project.root, place)
    if location.scheme not in SCHEMES | {"", "file"}:
        named = {} if table is None else {"source": table.source, "query": table.query, "table": table.table}
        return count_database_rows(project.data.model_copy(update=named), project.root)
    section = project.data if table is None else find_section(project, table.source, project.root)
    rows = FileSource(section, project.root).count_rows()
    if rows is None:
        raise DataError(
            f"The rows of {location.written} cannot be counted without reading it.",
            next_step='Write schedule = "new files" or a cron expression; or keep the rows in Parquet or a database.',
            code="batch.no-count",
        )
    return rows
