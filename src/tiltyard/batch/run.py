"""A batch run from its plan to its results. Killed at any moment and started again, it continues where it was."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from tiltyard import wiring
from tiltyard.batch.fragments import FileSource
from tiltyard.batch.plan import (
    FragmentDone,
    Plan,
    ScoreRequest,
    WorkFolder,
    explain_unwritable,
    make_run_id,
    read_plan,
    require_same_source,
)
from tiltyard.batch.report_run import report_run
from tiltyard.batch.results import ScoreResult
from tiltyard.batch.run_evaluation import EVALUATED_ROWS, evaluate_run
from tiltyard.batch.score_fragment import FragmentWork
from tiltyard.batch.targets import Target
from tiltyard.batch.version_in_use import VersionInUse, use_version
from tiltyard.data.input_rows import as_table
from tiltyard.data.loading import find_section
from tiltyard.data.sources.databases import read_database_parts
from tiltyard.data.sources.location import SCHEMES, resolve_location
from tiltyard.drift.profiles import Profile
from tiltyard.engines import Engine, EngineName, LocalProcesses, SameProcess, choose_engine
from tiltyard.errors import DataError, UsageError
from tiltyard.files import make_folder, sync, write_atomically
from tiltyard.ledger import BatchRun, Ledger, Prediction
from tiltyard.ledger.codec import PredictionRow, decode_prediction
from tiltyard.project import Project
from tiltyard.scoring import match_columns
from tiltyard.settings import Settings

_FEW_ROWS = 200_000
"""So few rows are scored sooner than further processes have started."""


@dataclass(frozen=True)
class ProgressSoFar:
    """How far a run is.

    Attributes:
        rows: rows that are done, those of an earlier call included.
        before: those of an earlier call.
        total: how many there are, about; None where that is not known.
    """

    rows: int
    before: int
    total: int | None


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; it changes nothing about the results.

    Attributes:
        workers: processes that score; None for as many as there are processors.
        restart: forget an unfinished run to the same target.
        overwrite: replace a target that no run of ours wrote.
        engine: where the processes are; None for what the project says.
        on_progress: called after each fragment.
    """

    workers: int | None = None
    restart: bool = False
    overwrite: bool = False
    engine: EngineName | None = None
    on_progress: Callable[[ProgressSoFar], object] = lambda _so_far: None


@dataclass(frozen=True)
class ScoreJob:
    """A table that is to be scored.

    Attributes:
        project: whose version scores it.
        settings: of this host.
        location: the source as it is written; passwords are in it alone.
        request: what is requested.
        target: where the results go.
        source: of a source that is a database, its ``query`` or ``table``, by these names.
        root: folder that a relative source starts from; default: the working folder.
    """

    project: Project
    settings: Settings
    location: str
    request: ScoreRequest
    target: Target
    source: dict[str, str]
    root: Path = field(default_factory=Path.cwd)


def score_table(job: ScoreJob, options: RunOptions = RunOptions()) -> ScoreResult:
    """Score a table: its results appear whole, each row once, recorded and evaluated.

    Raises:
        DataError: the source cannot be read, changed, or has no row; or a row is refused in a strict run.
        UsageError: the target cannot be used, or another run to it is unfinished.
        NotFoundError: there is no such version.
        UnavailableError: ledger or registry cannot be reached.
    """
    job.target.check(overwrite=options.overwrite)
    folder = WorkFolder(job.target.work)
    make_folder(folder.path)
    with wiring.open_ledger(job.settings) as ledger, _hold_target(folder), explain_unwritable(folder):
        if options.restart:
            _clear(folder)
        finished = _find_finished(job, folder)
        if finished is not None:
            return finished
        source = _find_source(job, folder)
        plan = _find_plan(job, folder, source)
        return _Run(job, folder, source, plan, ledger, options).carry_out()


@dataclass(frozen=True)
class _Run:
    job: ScoreJob
    folder: WorkFolder
    source: FileSource
    plan: Plan
    ledger: Ledger
    options: RunOptions

    def carry_out(self) -> ScoreResult:
        version = self._open_version()
        known = self.source.list_columns()
        columns = None if known is None else match_columns(version.inputs, known)
        version = replace(version, columns=columns, known=known)
        if known is not None:
            self.plan.request.check_columns(known)
        self.source.check_types(self.plan.request.columns)
        total = self.source.count_rows()
        sampled = 1.0 if not total else min(1.0, EVALUATED_ROWS / total)
        engine = self._choose_engine(total)
        if not isinstance(engine, SameProcess):
            version = self._compile(version)
        work = FragmentWork(self.plan, self.source, self.folder, self.job.settings, version, sampled)
        done = self.folder.list_done()
        so_far = _sum(done)
        before, resumed = so_far.rows, len(done)
        self.ledger.batch_runs.save(self._describe(version, so_far, total))
        self.options.on_progress(ProgressSoFar(before, before, total))
        fragments = self.source.cut(self.plan.request.fragment_rows)
        with closing(work):
            for number, one in engine.resume(work, fragments, frozenset(done)):
                done[number] = one
                so_far = so_far + one
                self.ledger.batch_runs.save(self._describe(version, so_far, total))
                self.options.on_progress(ProgressSoFar(so_far.rows, before, total))
        require_same_source(self.plan, tuple(self.source.find_states()))
        return self._finish(version, _sum(done), resumed)

    def _finish(self, version: VersionInUse, done: FragmentDone, resumed: int) -> ScoreResult:
        if not done.rows:
            raise DataError(
                f"{self.plan.request.source} holds no rows.", next_step="Check the source.", code="data.empty"
            )
        if done.rows == done.refused:
            reason = _first_reason(self.folder)
            raise DataError(
                f"No row of {self.plan.request.source} can be scored ({done.rows:,} rows). The first: {reason}",
                next_step="Correct the source; nothing was written.",
                code="batch.nothing-scored",
            )
        profile = self._fold_profiles(version)
        findings = evaluate_run(version, profile, done, self._read_sampled())
        refused = self.job.target.refused if done.refused else None
        result = ScoreResult(
            run_id=self.plan.run_id,
            model_name=self.plan.model_name,
            version=self.plan.version,
            source=self.plan.request.source,
            target=self.plan.request.target,
            started=self.plan.started,
            finished=datetime.now(UTC),
            rows=done.rows,
            scored=done.rows - done.refused,
            refused=done.refused,
            refused_file=None if refused is None else str(refused),
            unusual=done.unusual,
            abstained=done.abstained,
            recorded=done.recorded,
            labels=done.labels,
            findings=findings,
            resumed=resumed,
        )
        self.job.target.publish(self.folder, result.to_dict())
        run = replace(self._describe(version, done), finished=result.finished, evidence=result.to_dict())
        report_run(self.job.project, self.ledger, run, result)
        described = {"result": result.to_dict(), "request": self.plan.request.digest, "states": list(self.plan.states)}
        state = self.job.target.find_state()
        write_atomically(self.folder.finished, msgspec.json.encode({**described, "target": state}))
        _clear(self.folder, finished=False)
        return result

    def _compile(self, version: VersionInUse) -> VersionInUse:
        """The version with its compiled form in a file: the libraries of models are then in one short-lived process."""
        file = self.folder.path / "scorer"
        file.unlink(missing_ok=True)
        ((_, made),) = LocalProcesses(1).map(version.write_compiled, [(0, file)])
        return replace(version, compiled=file if made else None)

    def _open_version(self) -> VersionInUse:
        registry = wiring.open_registry(self.job.settings)
        info = registry.get_version(self.plan.model_name, version=self.plan.version)
        copy = registry.fetch(info, self.job.settings.cache)
        return use_version(self.job.project, self.job.settings, info, copy, self.plan.request)

    def _choose_engine(self, total: int | None) -> Engine:
        batch = self.job.project.batch
        workers = self.options.workers or batch.workers
        return choose_engine(
            self.options.engine or batch.engine, workers, little=total is not None and total <= _FEW_ROWS
        )

    def _describe(self, version: VersionInUse, done: FragmentDone, total: int | None = None) -> BatchRun:
        return BatchRun(
            self.plan.run_id,
            self.plan.model_name,
            version.info.version,
            self.plan.request.source,
            self.plan.request.target,
            self.plan.started,
            rows=done.rows,
            refused=done.refused,
            recorded=done.recorded,
            evidence={} if total is None else {"total": total},
        )

    def _fold_profiles(self, version: VersionInUse) -> Profile | None:
        layout = version.layout
        if layout is None:
            return None
        fragments = self.ledger.batch_runs.fragments(self.plan.run_id)
        bodies = (one.body for one in fragments if one.layout == layout.digest)
        return reduce(lambda total, body: total + Profile.from_bytes(body), bodies, Profile.empty(layout))

    def _read_sampled(self) -> list[Prediction]:
        found: list[Prediction] = []
        for file in sorted((self.folder.path / "sampled").glob("*.json")):
            rows = msgspec.json.decode(file.read_bytes(), type=list[PredictionRow])
            found += map(decode_prediction, rows)
        return found


def _sum(done: dict[int, FragmentDone]) -> FragmentDone:
    return reduce(lambda total, one: total + one, (done[number] for number in sorted(done)), FragmentDone(0))


def _find_source(job: ScoreJob, folder: WorkFolder) -> FileSource:
    """The files that are scored; of a database, its rows as they are now, or were when the run began."""
    root = job.root
    location = resolve_location(job.location, root)
    if location.scheme in SCHEMES | {"", "file"}:
        if job.source:
            raise UsageError(
                f"--query and --table are for databases, and {location.written} is none.", next_step="Leave them out."
            )
        with _name_next_step(root):
            source = FileSource(find_section(job.project, job.location, root), root)
            files = source.files
        job.target.refuse_source(files)
        return source
    section = job.project.data.model_copy(update={"source": job.location, "query": None, "table": None, **job.source})
    if not (folder.source / "complete").exists():
        shutil.rmtree(folder.source, ignore_errors=True)
        make_folder(folder.source)
        for number, frame in enumerate(read_database_parts(section, root, job.request.fragment_rows)):
            pq.write_table(as_table(frame), folder.source / f"rows-{number:05d}.parquet")
        (folder.source / "complete").touch()
        sync(folder.source)
    if not any(folder.source.glob("*.parquet")):
        raise DataError(f"{location.written} holds no rows.", next_step="Check the query.", code="data.empty")
    own = job.project.data.model_copy(update={"source": str(folder.source / "*.parquet"), "format": "parquet"})
    return FileSource(own.model_copy(update={"query": None, "table": None}), root)


def _find_plan(job: ScoreJob, folder: WorkFolder, source: FileSource) -> Plan:
    """The plan of the run that is unfinished, or a new one."""
    states = tuple(source.find_states())
    plan = read_plan(folder.plan)
    if plan is not None and plan.request.digest != job.request.digest:
        if not folder.list_done():
            plan = None
        else:
            raise UsageError(
                f"Run {plan.run_id[:8]} to {plan.request.target} is unfinished, and was requested otherwise.",
                next_step="Request it as before to finish it, or forget it: --restart",
                code="batch.unfinished",
            )
    if plan is not None:
        require_same_source(plan, states)
        return plan
    _clear(folder, finished=False, source=False)
    registry = wiring.open_registry(job.settings)
    model = job.project.model_name
    info = registry.get_version(model, version=job.request.version, alias=job.request.alias)
    started = datetime.now(UTC)
    total = source.count_rows()
    share = {"all": 1.0, "none": 0.0}.get(job.request.record)
    if share is None:
        share = 1.0 if not total else min(1.0, job.request.sample / total)
    plan = Plan(make_run_id(job.request, states, started), job.request, started, model, info.version, states, share)
    plan.write(folder.plan)
    return plan


def _find_finished(job: ScoreJob, folder: WorkFolder) -> ScoreResult | None:
    """The result of the same run, if it is finished, and neither its source nor its results changed since."""
    try:
        described = msgspec.json.decode(folder.finished.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    if (
        job.source
        or described.get("request") != job.request.digest
        or described.get("target") != job.target.find_state()
    ):
        return None
    source = _find_source(job, folder)
    if described.get("states") != source.find_states():
        return None
    result = ScoreResult.from_dict(described["result"])
    if job.request.version is None:
        registry = wiring.open_registry(job.settings)
        if registry.get_version(job.project.model_name, alias=job.request.alias).version != result.version:
            return None
    return replace(result, already=True)


def _clear(folder: WorkFolder, *, finished: bool = True, source: bool = True) -> None:
    """Forget the plan and what is done; also that a run is finished, and the rows of a database, unless these stay."""
    names = ["parts", "done", "sampled", "refused", "result", "replaced", *(["source"] if source else [])]
    if finished:
        folder.finished.unlink(missing_ok=True)
    folder.plan.unlink(missing_ok=True)
    (folder.path / "scorer").unlink(missing_ok=True)
    for name in names:
        shutil.rmtree(folder.path / name, ignore_errors=True)


def _first_reason(folder: WorkFolder) -> str:
    for file in folder.list_refused():
        with file.open("rb") as stream:
            described = msgspec.json.decode(stream.readline())
        return f"row {described['row']} of {described['file']}: {described['reason']}"
    return ""


@contextmanager
def _name_next_step(root: Path) -> Iterator[None]:
    """What reads sources speaks of the project file; a table that is scored is named elsewhere."""
    try:
        yield
    except DataError as error:
        if error.code != "data.missing":
            raise
        raise DataError(
            error.message.replace("data.source = ", ""),
            next_step=f"Check its name; a relative one starts from {root}.",
            code=error.code,
        ) from None


@contextmanager
def _hold_target(folder: WorkFolder) -> Iterator[None]:
    """One run at a time to a target.

    Raises:
        UsageError: another process has it.
    """
    with (folder.path / "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                "Another process scores to this target at this moment.",
                next_step="Wait for it, or name another target.",
                code="batch.busy",
            ) from None
        yield
