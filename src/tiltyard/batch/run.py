"""A batch run from its plan to its results. Killed at any moment and started again, it continues where it was."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from tiltyard import wiring
from tiltyard.batch.fragments import FileSource, name_missing_source
from tiltyard.batch.plan import (
    EVALUATED_ROWS,
    FragmentDone,
    Plan,
    ScoreRequest,
    WorkFolder,
    clear_work,
    explain_unwritable,
    make_run_id,
    read_plan,
    require_same_source,
    sum_fragments,
)
from tiltyard.batch.results import ScoreResult
from tiltyard.batch.score_fragment import WORKER_MODULES, FragmentWork
from tiltyard.batch.targets.local_targets import LocalTarget, Target
from tiltyard.batch.version_in_use import VersionInUse, use_version
from tiltyard.batch.version_lookup import VersionLookup
from tiltyard.data.input_rows import as_table
from tiltyard.data.loading import find_section
from tiltyard.data.sources.databases import read_database_parts
from tiltyard.data.sources.location import EXPOSED, SCHEMES, resolve_location
from tiltyard.engines import Engine, EngineName, choose_engine
from tiltyard.errors import DataError, NotFoundError, UsageError
from tiltyard.files import make_folder, sync
from tiltyard.ledger import BatchRun, Ledger
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
    with VersionLookup(job.settings) as versions, _hold_target(folder), explain_unwritable(folder):
        if options.restart:
            clear_work(folder)
        finished = _find_finished(job, folder, versions)
        if finished is not None:
            return finished
        source = _find_source(job, folder)
        total = source.count_rows()
        with closing(_choose_engine(job, options, total)) as engine:
            # Each of these takes a second or more: workers import, the registry is queried, the ledger is opened.
            engine.begin(WORKER_MODULES)
            kept = read_plan(folder.plan)
            if kept is None or kept.request.digest != job.request.digest:
                versions.begin(job.project.model_name, version=job.request.version, alias=job.request.alias)
            else:
                versions.begin(kept.model_name, version=kept.version)
            with wiring.open_ledger(job.settings) as ledger:
                plan = _find_plan(job, folder, source, versions)
                return _Run(job, folder, source, plan, ledger, options, engine, versions).carry_out(total)


@dataclass(frozen=True)
class _Run:
    job: ScoreJob
    folder: WorkFolder
    source: FileSource
    plan: Plan
    ledger: Ledger
    options: RunOptions
    engine: Engine
    versions: VersionLookup

    def carry_out(self, total: int | None) -> ScoreResult:
        with _forget_if_refused(self.folder):
            version = self._prepare_version()
        sampled = 1.0 if not total else min(1.0, EVALUATED_ROWS / total)
        work = FragmentWork(self.plan, self.source, self.folder, self.job.settings, version, sampled)
        done = self.folder.list_done()
        so_far = sum_fragments(done)
        before, resumed = so_far.rows, len(done)
        self.ledger.batch_runs.save(self._describe(version, so_far, total))
        self.options.on_progress(ProgressSoFar(before, before, total))
        fragments = self.source.cut(self.plan.request.fragment_rows)
        with closing(work):
            for number, one in self.engine.resume(work, fragments, frozenset(done)):
                done[number] = one
                so_far = so_far + one
                self.ledger.batch_runs.save(self._describe(version, so_far, total))
                self.options.on_progress(ProgressSoFar(so_far.rows, before, total))
        require_same_source(self.plan, tuple(self.source.find_states()))
        from tiltyard.batch.ending.finish_run import RunToFinish, finish_run  # noqa: PLC0415 - imports what evaluates

        summed = sum_fragments(done)
        ended = RunToFinish(self.job.project, self.job.target, self.folder, self.plan, version, summed, resumed)
        return finish_run(ended, self.ledger, self._describe(version, summed))

    def _prepare_version(self) -> VersionInUse:
        """The version, which fits the source, with its compiled form in a file."""
        versions, request = self.versions, self.plan.request
        info = versions.get_version(self.plan.model_name, version=self.plan.version)
        version = use_version(self.job.project, self.job.settings, info, versions.fetch(info), request)
        known = self.source.list_columns()
        if known is not None:
            request.check_columns(known)
        self.source.check_types(request.columns)
        version = replace(version, known=known, columns=None if known is None else match_columns(version.inputs, known))
        compiled = versions.compile_version(info, version.folder, version.verified.digest, self.folder.path / "scorer")
        versions.end_process()
        return replace(version, compiled=compiled)

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


def _choose_engine(job: ScoreJob, options: RunOptions, total: int | None) -> Engine:
    batch = job.project.batch
    little = total is not None and total <= _FEW_ROWS
    return choose_engine(options.engine or batch.engine, options.workers or batch.workers, little=little)


def _find_source(job: ScoreJob, folder: WorkFolder) -> FileSource:
    """The files that are scored; of a database, its rows as they are now, or were when the run began."""
    root = job.root
    location = resolve_location(job.location, root, "The source", EXPOSED)
    if location.scheme in SCHEMES | {"", "file"}:
        if job.source:
            raise UsageError(
                f"--query and --table are for databases, and {location.written} is none.", next_step="Leave them out."
            )
        with name_missing_source(root):
            source = FileSource(find_section(job.project, job.location, root), root)
            files = source.files
        job.target.refuse_source(files)
        if isinstance(job.target, LocalTarget):
            source.refuse_results(job.target.path)
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


def _find_plan(job: ScoreJob, folder: WorkFolder, source: FileSource, versions: VersionLookup) -> Plan:
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
    clear_work(folder, finished=False, source=False)
    model = job.project.model_name
    info = versions.get_version(model, version=job.request.version, alias=job.request.alias)
    started = datetime.now(UTC)
    total = source.count_rows()
    share = {"all": 1.0, "none": 0.0}.get(job.request.record)
    if share is None:
        share = 1.0 if not total else min(1.0, job.request.sample / total)
    plan = Plan(make_run_id(job.request, states, started), job.request, started, model, info.version, states, share)
    plan.write(folder.plan)
    return plan


def _find_finished(job: ScoreJob, folder: WorkFolder, versions: VersionLookup) -> ScoreResult | None:
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
        named = versions.get_version(job.project.model_name, alias=job.request.alias)
        if named.version != result.version:
            return None
    return replace(result, already=True)


@contextmanager
def _hold_target(folder: WorkFolder) -> Iterator[None]:
    """One run at a time to a target. A run that is refused before it begins leaves no folder.

    Raises:
        UsageError: another process has it.
    """
    lock = folder.path / "lock"
    with _lock(lock):
        try:
            yield
        except (DataError, NotFoundError, UsageError):
            if not folder.plan.exists():
                clear_work(folder, finished=False)
                _remove_unused(folder, lock)
            raise


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    with ExitStack() as opened:
        try:
            make_folder(file.parent)
            stream = opened.enter_context(file.open("w"))
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A refused run may have taken the folder away since the file was opened: then this lock holds nobody off.
            held = os.path.samestat(os.fstat(stream.fileno()), file.stat())
        except (BlockingIOError, FileNotFoundError):
            held = False
        if not held:
            raise UsageError(
                "Another process scores to this target at this moment.",
                next_step="Wait for it, or name another target.",
                code="batch.busy",
            )
        yield


def _remove_unused(folder: WorkFolder, lock: Path) -> None:
    """Remove the folder where nothing but its lock is in it."""
    if list(folder.path.iterdir()) == [lock]:
        lock.unlink()
        folder.path.rmdir()


@contextmanager
def _forget_if_refused(folder: WorkFolder) -> Iterator[None]:
    """Have no plan stay of a run whose version or source is refused before any row was scored."""
    try:
        yield
    except (DataError, NotFoundError, UsageError):
        if not folder.may_hold_rows():
            folder.plan.unlink(missing_ok=True)
        raise
