"""What a batch run does, decided once and kept with it: who starts it again continues with the same."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Literal

import msgspec

from tiltyard.errors import DataError, UsageError
from tiltyard.files import write_atomically

FORMAT = 1
EVALUATED_ROWS = 20_000
"""Rows of a run, about, from which its performance is estimated."""

Record = Literal["all", "sample", "none"]


@dataclass(frozen=True)
class ScoreRequest:
    """What is requested of a run.

    Attributes:
        source: what is scored, without passwords.
        target: where the results go, without passwords.
        query: of a source that is a database, the query or ``table NAME``; else empty.
        columns: columns of the source that the result carries along; ``*`` for all.
        key: column with the caller's own key of each row; None for none.
        record: which predictions are kept in the ledger.
        sample: how many of them, about, where these are a sample.
        probabilities: whether the result has the probability of each class.
        confidence_level: of the prediction set of each row; None for no sets.
        fragment_rows: rows of a fragment, about.
        strict: whether a row that cannot be scored stops the run.
        version: the version that is named; None: that of the alias.
        alias: the alias; None where a version is named.
    """

    source: str
    target: str
    query: str = ""
    columns: tuple[str, ...] = ()
    key: str | None = None
    record: Record = "sample"
    sample: int = 10_000
    probabilities: bool = False
    confidence_level: float | None = None
    fragment_rows: int = 250_000
    strict: bool = False
    version: str | None = None
    alias: str | None = "champion"

    @property
    def digest(self) -> str:
        """What two requests share that mean the same."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]

    def check_columns(self, known: Sequence[str]) -> None:
        """Refuse columns that are to be carried along, or a key, that the source does not have.

        Raises:
            UsageError: it has no such column.
        """
        for name in (*self.columns, *([self.key] if self.key is not None else [])):
            if name != "*" and name not in known:
                raise UsageError(
                    f"The source has no column '{name}'; it has {', '.join(known) or 'none at all'}.",
                    next_step="Correct --columns or --key, or [batch] in the project file.",
                )


@dataclass(frozen=True)
class Plan:
    """A run that was begun.

    Attributes:
        run_id: 32 hexadecimal digits.
        request: what was requested.
        started: when it began, UTC.
        model_name: the registered model.
        version: the version that predicts, also if the alias has moved since.
        states: what tells whether the files of the source changed.
        share: which share of the rows is recorded, 0 to 1.
        format: of this file.
    """

    run_id: str
    request: ScoreRequest
    started: datetime
    model_name: str
    version: str
    states: tuple[str, ...]
    share: float
    format: int = FORMAT

    def write(self, file: Path) -> None:
        """Keep it."""
        write_atomically(file, msgspec.json.encode(self))


def read_plan(file: Path) -> Plan | None:
    """The plan that was kept; None where there is none, or it is of another format."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Plan)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        return None
    return found if found.format == FORMAT else None


def make_run_id(request: ScoreRequest, states: tuple[str, ...], started: datetime) -> str:
    """The id of a run: of what was requested, of which files, and when."""
    described = json.dumps([request.digest, states, started.isoformat()])
    return hashlib.sha256(described.encode()).hexdigest()[:32]


def require_same_source(plan: Plan, states: tuple[str, ...]) -> None:
    """Refuse to continue with a source that changed.

    Raises:
        DataError: it did (``batch.source-changed``).
    """
    if plan.states != states:
        raise DataError(
            f"{plan.request.source} changed since run {plan.run_id[:8]} began ({plan.started:%Y-%m-%d %H:%M} UTC), "
            "which is not finished.",
            next_step="Begin anew with --restart; what the unfinished run recorded in the ledger stays.",
            code="batch.source-changed",
            run=plan.run_id,
        )


@dataclass(frozen=True)
class FragmentDone:
    """What became of a fragment.

    Attributes:
        number: of the fragment.
        rows: its rows.
        refused: those that cannot be scored.
        unusual: those with values that training did not know.
        abstained: those that the model leaves to a person.
        recorded: those whose predictions are in the ledger.
        labels: how often each class was predicted.
    """

    number: int
    rows: int = 0
    refused: int = 0
    unusual: int = 0
    abstained: int = 0
    recorded: int = 0
    labels: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: FragmentDone) -> FragmentDone:
        """Both together, under the number of the first."""
        names = {*self.labels, *other.labels}
        return replace(
            self,
            **{name: getattr(self, name) + getattr(other, name) for name in _COUNTS},
            labels={name: self.labels.get(name, 0) + other.labels.get(name, 0) for name in sorted(names)},
        )


def sum_fragments(done: Mapping[int, FragmentDone]) -> FragmentDone:
    """All fragments together, in the order of their numbers."""
    return reduce(lambda total, one: total + one, (done[number] for number in sorted(done)), FragmentDone(0))


_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
_COUNTS = ("rows", "refused", "unusual", "abstained", "recorded")


@dataclass(frozen=True)
class WorkFolder:
    """The folder in which a run keeps what is done until its results appear.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def plan(self) -> Path:
        """The plan."""
        return self.path / "plan.json"

    @property
    def finished(self) -> Path:
        """What says that the run of the plan is finished."""
        return self.path / "finished.json"

    @property
    def source(self) -> Path:
        """The rows of a database, as they were when the run began."""
        return self.path / "source"

    @property
    def parts(self) -> Path:
        """The results of fragments, a Parquet file each."""
        return self.path / "parts"

    @property
    def ready(self) -> Path:
        """A folder of results that waits to take its place: all parts, moved here as a whole."""
        return self.path / "result"

    def part(self, number: int) -> Path:
        """The results of a fragment."""
        return self.parts / f"part-{number:05d}.parquet"

    def refused_file(self, number: int) -> Path:
        """The rows of a fragment that cannot be scored, as JSON Lines."""
        return self.path / "refused" / f"{number:05d}.jsonl"

    def sampled_file(self, number: int) -> Path:
        """Predictions of a sample of a fragment's rows, for the evaluation of the run."""
        return self.path / "sampled" / f"{number:05d}.json"

    def done(self, number: int) -> Path:
        """What says that a fragment is done."""
        return self.path / "done" / f"{number:05d}.json"

    def list_done(self) -> dict[int, FragmentDone]:
        """The fragments that are done, by number."""
        found: dict[int, FragmentDone] = {}
        for file in sorted((self.path / "done").glob("*.json")):
            one = msgspec.json.decode(file.read_bytes(), type=FragmentDone)
            if any((folder / self.part(one.number).name).is_file() for folder in (self.parts, self.ready)):
                found[one.number] = one
        return found

    def list_parts(self) -> list[Path]:
        """The results of all fragments, in their order."""
        return sorted(self.parts.glob("part-*.parquet"))

    def may_hold_rows(self) -> bool:
        """Whether a fragment is done or was begun: of one that was begun, some rows may be in the ledger already."""
        return bool(self.list_parts() or self.list_done())

    def list_refused(self) -> list[Path]:
        """The files of rows that cannot be scored, in the order of their fragments."""
        return sorted((self.path / "refused").glob("*.jsonl"))


def clear_work(folder: WorkFolder, *, finished: bool = True, source: bool = True) -> None:
    """Forget the plan and what is done; also that a run is finished, and the rows of a database, unless these stay."""
    names = ["parts", "done", "sampled", "refused", "result", "replaced", *(["source"] if source else [])]
    if finished:
        folder.finished.unlink(missing_ok=True)
    folder.plan.unlink(missing_ok=True)
    (folder.path / "scorer").unlink(missing_ok=True)
    for name in names:
        shutil.rmtree(folder.path / name, ignore_errors=True)


@contextmanager
def explain_unwritable(folder: WorkFolder) -> Iterator[None]:
    """Say of a disk that takes nothing more where it is, and what to do.

    Raises:
        DataError: a file could not be written (``batch.unwritable``).
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise DataError(
            f"The results cannot be written to {folder.path.parent}: {os.strerror(error.errno)}.",
            next_step="Make room, or choose another target; then run it again: it continues where it is.",
            code="batch.unwritable",
        ) from None
