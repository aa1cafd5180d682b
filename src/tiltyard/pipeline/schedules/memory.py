"""What schedules remember between their runs: in the ledger, so that it is one memory for all processes and hosts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tiltyard.jsonable import from_jsonable, to_json_object
from tiltyard.ledger import Note, Notes
from tiltyard.project.scheduled_work import ScheduledWork

FileStatus = Literal["seen", "done", "failed"]


@dataclass(frozen=True)
class WorkState:
    """What is remembered of a table or the training.

    Attributes:
        spec: schedule and source that this is about.
        due: when it is due next, UTC; None where no clock says it.
        rows: rows of the source, or of training its rows, when it ran last.
        attempts: how often it failed since it ran well.
        retry: when it is tried again, UTC; None where nothing failed.
        error: why it failed last; empty where it ran well.
        last: when it ran last, UTC.
        outcome: what came of that, in a few words.
    """

    spec: str
    due: datetime | None = None
    rows: int | None = None
    attempts: int = 0
    retry: datetime | None = None
    error: str = ""
    last: datetime | None = None
    outcome: str = ""


@dataclass(frozen=True)
class SeenFile:
    """What is remembered of a file.

    Attributes:
        state: size and time when it was seen last.
        at: since when it has been so, by the ledger's clock, UTC.
        status: ``seen`` and not scored yet, ``done``, or ``failed``.
        digest: of its content; empty before it was read.
        result: the name under which its results are.
        attempts: how often it failed.
        retry: when it is tried again, UTC.
    """

    state: str
    at: datetime
    status: FileStatus = "seen"
    digest: str = ""
    result: str = ""
    attempts: int = 0
    retry: datetime | None = None


class Memory:
    """What the schedules of a model remember.

    Args:
        notes: the ledger's.
        model_name: the registered model.
    """

    def __init__(self, notes: Notes, model_name: str) -> None:
        self._notes, self._topic = notes, f"schedule/{model_name}"

    def read(self, work: ScheduledWork) -> WorkState | None:
        """What is remembered of a table or the training; None where nothing is, or its schedule is another by now."""
        note = self._notes.find(self._topic, work.name)
        state = None if note is None else _decode(note)
        return state if state is not None and state.spec == work.spec else None

    def write(self, work: ScheduledWork, state: WorkState) -> None:
        """Remember it."""
        self._notes.put(self._topic, work.name, to_json_object(state))

    def list_files(self, work: ScheduledWork) -> dict[str, SeenFile]:
        """The files that are remembered, by path."""
        return {note.name: from_jsonable(SeenFile, note.content) for note in self._notes.select(self._files_of(work))}

    def write_file(self, work: ScheduledWork, path: str, seen: SeenFile) -> None:
        """Remember a file."""
        self._notes.put(self._files_of(work), path, to_json_object(seen))

    def forget_file(self, work: ScheduledWork, path: str) -> None:
        """Forget a file."""
        self._notes.remove(self._files_of(work), path)

    def _files_of(self, work: ScheduledWork) -> str:
        return f"{self._topic}/{work.name}/files"


def _decode(note: Note) -> WorkState:
    return from_jsonable(WorkState, note.content)
