"""Jobs of ``POST /batch``: files that callers have scored. They are notes of the ledger, and outlive the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from tiltyard.data.sources.location import SCHEMES
from tiltyard.errors import NotFoundError, UnavailableError
from tiltyard.jsonable import from_jsonable, to_json_object
from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import new_id
from tiltyard.project.batch import BatchSection
from tiltyard.serving.problem_details import RequestError

JobState = Literal["waiting", "running", "done", "failed"]
Format = Literal["parquet", "csv", "jsonl"]

MOST_WAITING = 100
"""Jobs that may wait; beyond that a caller has to come again."""

_MAGIC = frozenset("*?[]{}$\0")


@dataclass(frozen=True)
class BatchJob:
    """A job.

    Attributes:
        id: its id.
        source: the file, as the caller wrote it.
        read: the file that is read: of a path the real one, without symbolic links.
        target: where its results appear.
        requested_at: when it was requested, by the ledger's clock, UTC.
        requested_by: by whom.
        state: ``waiting``, ``running``, ``done`` or ``failed``.
        columns: columns that the results carry along.
        key: column with the caller's own key of each row.
        probabilities: whether the results have the probability of each class.
        finished_at: when it ended, UTC.
        error: why it failed: code, message and next step.
        result: the run, once it is done.
    """

    id: str
    source: str
    read: str
    target: str
    requested_at: datetime
    requested_by: str
    state: JobState = "waiting"
    columns: tuple[str, ...] = ()
    key: str | None = None
    probabilities: bool = False
    finished_at: datetime | None = None
    error: dict[str, Any] | None = None
    result: dict[str, Any] | None = None


class BatchJobs:
    """The jobs of a model.

    Args:
        ledger: where they are kept.
        model_name: the registered model.
    """

    def __init__(self, ledger: Ledger, model_name: str) -> None:
        self._ledger, self._topic = ledger, f"batch-jobs/{model_name}"

    def add(self, job: BatchJob) -> None:
        """Keep a new job.

        Raises:
            UnavailableError: too many wait, or the ledger is away.
        """
        waiting = sum(one.state == "waiting" for one in self.select())
        if waiting >= MOST_WAITING:
            raise UnavailableError(
                f"{waiting} jobs wait already.", next_step="Try again when some are done: GET /batch", code="batch.full"
            )
        self.save(job)

    def save(self, job: BatchJob) -> None:
        """Keep the state of a job."""
        self._ledger.notes.put(self._topic, job.id, to_json_object(job))

    def find(self, job_id: str) -> BatchJob:
        """The job of that id.

        Raises:
            NotFoundError: there is none.
        """
        note = self._ledger.notes.find(self._topic, job_id) if job_id.isascii() and "\0" not in job_id else None
        if note is None:
            raise NotFoundError(f"There is no job '{job_id}'.", next_step="List them: GET /batch", code="batch.no-job")
        return from_jsonable(BatchJob, note.content)

    def select(self) -> list[BatchJob]:
        """All jobs, the earliest first: their ids rise with time."""
        return [from_jsonable(BatchJob, note.content) for note in self._ledger.notes.select(self._topic)]

    def finish(
        self, job: BatchJob, *, result: dict[str, Any] | None = None, error: dict[str, Any] | None = None
    ) -> None:
        """Keep how a job ended."""
        state: JobState = "failed" if result is None else "done"
        now = self._ledger.leases.read_clock()
        self.save(replace(job, state=state, finished_at=now, result=result, error=error))


@dataclass(frozen=True)
class BatchDesk:
    """Takes jobs of callers, where the project lets them.

    Attributes:
        section: the project's ``[batch]``.
        root: the project's folder.
        results: folder of the results.
        jobs: the jobs of the model.
        ledger: the ledger.
    """

    section: BatchSection
    root: Path
    results: Path
    jobs: BatchJobs
    ledger: Ledger

    def take(
        self,
        source: str,
        requested_by: str,
        *,
        kind: Format,
        columns: Sequence[str],
        key: str | None,
        probabilities: bool,
    ) -> BatchJob:
        """Take a job.

        Raises:
            RequestError: no job is taken here, or the file may not be read.
            UnavailableError: too many jobs wait, or the ledger is away.
        """
        read = self.find_readable(source)
        job_id = new_id()
        job = BatchJob(
            id=job_id,
            source=source,
            read=read,
            target=str(self.results / f"{job_id}.{kind}"),
            requested_at=self.ledger.leases.read_clock(),
            requested_by=requested_by,
            columns=tuple(columns),
            key=key,
            probabilities=probabilities,
        )
        self.jobs.add(job)
        return job

    def find_readable(self, source: str) -> str:
        """The file that a caller means, if the project lets callers have it scored.

        Of a path it is the real file, in one of the real folders of ``batch.readable``: neither ``..`` nor a symbolic
        link leads out. Patterns and variables are refused.

        Raises:
            RequestError: no job is taken here (403), or this file may not be read (403). What is not there and what may
                not be read look the same.
        """
        if not self.section.readable:
            raise RequestError(
                "This server scores no files for callers.",
                status=403,
                code="batch.off",
                next_step='Name the places that it may read in the project file: [batch] readable = ["inbox/"]',
            )
        if _MAGIC.isdisjoint(source) and (found := self._find_allowed(source)) is not None:
            return found
        raise RequestError(
            f"{source!r} is not a file that this server scores for callers.",
            status=403,
            code="batch.unreadable",
            next_step="Name one file, without patterns, in a place of [batch] readable of its project file.",
        )

    def _find_allowed(self, source: str) -> str | None:
        scheme, separator, rest = source.partition("://")
        if separator:
            # What resolves the address may take a coded dot for a dot.
            plain = unquote(unquote(rest)).replace("\\", "/")
            if scheme.lower() not in SCHEMES or ".." in plain.split("/") or "@" in rest.split("/", 1)[0]:
                return None
            allowed = [one for one in self.section.readable if "://" in one]
            return (
                source
                if any(source == one or (one.endswith("/") and source.startswith(one)) for one in allowed)
                else None
            )
        try:
            real = (self.root / source).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            return None
        places = [(self.root / one).resolve() for one in self.section.readable if "://" not in one]
        return str(real) if real.is_file() and any(real.is_relative_to(place) for place in places) else None
