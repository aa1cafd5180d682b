"""Jobs of long actions, as notes of the ledger: they are known to every console of the model, and outlive this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from tiltyard.errors import NotFoundError
from tiltyard.jsonable import from_jsonable, to_json_object
from tiltyard.ledger import Ledger
from tiltyard.processes.process_identity import is_gone

JobState = Literal["running", "done", "refused", "failed", "stopped"]

MOST_KEPT = 200
"""Jobs that are kept; of more, the oldest that have ended go."""


@dataclass(frozen=True)
class ActionJob:
    """A long action, and how far it is.

    Attributes:
        id: its id; ids rise with time.
        action: the action.
        command: the command that does the same, and that its process runs.
        actor: who started it.
        values: the values of the action.
        started_at: when it began, by the ledger's clock, UTC.
        holder: the process that watches it, by which others see whether it still does.
        state: ``running``; ``done``; ``refused``: it ran with a negative result, such as a gate that refused;
            ``failed``; ``stopped``: its console ended before it did.
        finished_at: when it ended, UTC.
        progress: its latest lines, the oldest first.
        summary: what came of it, in a sentence.
        result: what the command printed.
        error: why it failed: code, message and next step.
    """

    id: str
    action: str
    command: str
    actor: str
    values: Mapping[str, Any]
    started_at: datetime
    holder: str
    state: JobState = "running"
    finished_at: datetime | None = None
    progress: tuple[str, ...] = ()
    summary: str = ""
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None


class ActionJobs:
    """The jobs of a model.

    Args:
        ledger: where they are kept.
        model_name: the registered model.
    """

    def __init__(self, ledger: Ledger, model_name: str) -> None:
        self._ledger, self._topic = ledger, f"console-jobs/{model_name}"

    def save(self, job: ActionJob) -> None:
        """Keep the state of a job.

        Raises:
            UnavailableError: the ledger is away.
        """
        self._ledger.notes.put(self._topic, job.id, to_json_object(job))

    def find(self, job_id: str) -> ActionJob:
        """The job of that id.

        Raises:
            NotFoundError: there is none.
            UnavailableError: the ledger is away.
        """
        note = self._ledger.notes.find(self._topic, job_id) if job_id.isascii() and "\0" not in job_id else None
        if note is None:
            raise NotFoundError(
                f"There is no job '{job_id}'.", next_step="List them: GET /api/v1/jobs", code="job.unknown"
            )
        return _read_job(note.content)

    def select(self) -> list[ActionJob]:
        """All jobs that are kept, the newest first.

        Raises:
            UnavailableError: the ledger is away.
        """
        return [_read_job(note.content) for note in reversed(self._ledger.notes.select(self._topic))]

    def tidy(self) -> None:
        """Forget the oldest jobs that have ended, where there are too many."""
        for job in self.select()[MOST_KEPT:]:
            if job.state != "running":
                self._ledger.notes.remove(self._topic, job.id)


def _read_job(content: Mapping[str, Any]) -> ActionJob:
    job = from_jsonable(ActionJob, content)
    if job.state == "running" and is_gone(job.holder):
        return replace(job, state="stopped", summary="Its console ended before it did.")
    return job
