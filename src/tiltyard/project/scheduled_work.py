"""The work of a project that has a name: tables that are scored, and the training where it has a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tiltyard.errors import UsageError
from tiltyard.project.batch import BatchTable
from tiltyard.project.project_file import Project
from tiltyard.project.schedule import CronSchedule, Schedule
from tiltyard.suggest import nearest

TRAINING = "training"
_TABLES = "batch/"


@dataclass(frozen=True)
class ScheduledWork:
    """A table or the training.

    Attributes:
        name: ``batch/NAME`` or ``training``.
        trigger: when it runs by itself; None for never.
        written: the schedule as the project file writes it; empty for none.
        source: what new files and rows are looked for in, as the project file writes it.
        table: the table; None for the training.
    """

    name: str
    trigger: Schedule | None
    written: str
    source: str
    table: BatchTable | None = None

    @property
    def title(self) -> str:
        """Its name for people: that of the table, or ``training``."""
        return self.name.removeprefix(_TABLES)

    @property
    def spec(self) -> str:
        """What its memory is about: with another schedule or source it begins anew."""
        zone = f" {self.trigger.time_zone}" if isinstance(self.trigger, CronSchedule) else f" of {self.source}"
        return self.written + zone

    def find_next(self, after: datetime) -> datetime | None:
        """When it is due next after a moment, UTC; None where no clock says it."""
        return self.trigger.find_next(after) if isinstance(self.trigger, CronSchedule) else None


def list_work(project: Project) -> list[ScheduledWork]:
    """The tables by name, and the training where it has a schedule."""
    found = [
        ScheduledWork(_TABLES + name, table.trigger, table.schedule or "", table.source, table)
        for name, table in project.batch.tables.items()
    ]
    training = project.training
    if training.trigger is not None:
        found.append(ScheduledWork(TRAINING, training.trigger, training.schedule or "", project.data.source))
    return found


def find_table(project: Project, name: str) -> ScheduledWork:
    """The table of that name.

    Raises:
        UsageError: the project file describes none.
    """
    found = {work.title: work for work in list_work(project) if work.table is not None}
    if name in found:
        return found[name]
    raise UsageError(
        f"--to is missing, and the project file has no table [batch.{name}].{nearest(name, list(found))}",
        next_step="Say where the results go (--to FILE), or describe the table in the project file.",
        code="batch.unknown-table",
    )


def find_training(project: Project) -> ScheduledWork:
    """The training, which has a schedule.

    Raises:
        UsageError: it has none.
    """
    for work in list_work(project):
        if work.name == TRAINING:
            return work
    raise UsageError(
        "The training has no schedule, so it is never due.",
        next_step='Write [training] schedule = "0 3 * * 0" into the project file, or leave --if-due out.',
        code="training.unscheduled",
    )
