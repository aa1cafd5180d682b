"""The tables and the training of a project: when each is due, and how it ended last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tiltyard.ledger import Ledger
from tiltyard.pipeline.schedules.memory import Memory, WorkState
from tiltyard.project import Project
from tiltyard.project.scheduled_work import ScheduledWork, list_work


@dataclass(frozen=True)
class WorkOverview:
    """A table or the training.

    Attributes:
        name: of the table, or ``training``.
        source: what is scored, or trained from.
        target: where results go; None of the training.
        schedule: when it runs by itself, as the project file writes it; None for by hand.
        next_run: when it is due next, UTC; None where no clock says it.
        last_run: when it ran last, UTC; None for never.
        outcome: what came of that.
        error: why it failed last; None where it did not.
        attempts: how often it failed since it ran well.
    """

    name: str
    source: str
    target: str | None
    schedule: str | None
    next_run: datetime | None
    last_run: datetime | None
    outcome: str
    error: str | None
    attempts: int


def list_overviews(project: Project, ledger: Ledger) -> Sequence[WorkOverview]:
    """What is scheduled or has a name, in the order of the project file; nothing is changed by looking."""
    memory = Memory(ledger.notes, project.model_name)
    now = ledger.leases.read_clock()
    return [
        _describe(work, memory.read(work) or WorkState(work.spec, due=work.find_next(now)))
        for work in list_work(project)
    ]


def _describe(work: ScheduledWork, state: WorkState) -> WorkOverview:
    return WorkOverview(
        name=work.title,
        source=work.source,
        target=None if work.table is None else work.table.target,
        schedule=work.written or None,
        next_run=state.retry or state.due,
        last_run=state.last,
        outcome=state.outcome,
        error=state.error or None,
        attempts=state.attempts,
    )
