"""Doing scheduled work: once among all processes, remembered, and with an alert where it fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from tiltyard.batch.from_python import make_table_job
from tiltyard.batch.results import ScoreResult
from tiltyard.batch.run import RunOptions, score_table
from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.findings import Finding
from tiltyard.formatting import choose_form, format_count
from tiltyard.jsonable import json_form
from tiltyard.ledger import Ledger
from tiltyard.ledger.lease_guard import hold_lease
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.ledger.records import finding_record
from tiltyard.notifications.alerts import IncidentUpdate, update_alerts
from tiltyard.pipeline.remediation.responder import Remediation
from tiltyard.pipeline.schedules.checks import Due, Watch
from tiltyard.pipeline.schedules.memory import WorkState
from tiltyard.pipeline.schedules.new_files import NewFile, list_files, name_result, recognise, require_own_name
from tiltyard.project import BatchTable, Project
from tiltyard.project.batch import PLACE
from tiltyard.project.schedule import NewFiles
from tiltyard.project.scheduled_work import ScheduledWork
from tiltyard.settings import Settings, this_actor

FAILED = "batch.failed"
"""Code of the finding about scheduled work that failed."""

FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=1)
SKEW = timedelta(minutes=1)
"""How far the clock of another scheduler may be ahead of the ledger's."""

Outcome = Literal["done", "nothing", "busy"]
Retrain = Callable[[str], Remediation]


@json_form(names={"work": "name", "summary": "text"})
@dataclass(frozen=True)
class Performed:
    """What came of it.

    Attributes:
        work: the table's name, or ``training``.
        outcome: it is ``done``; ``nothing`` was to be done; or another process is ``busy`` with it.
        results: the batch runs.
        summary: for people.
    """

    work: str
    outcome: Outcome
    results: tuple[ScoreResult, ...] = ()
    summary: str = ""


@dataclass(frozen=True)
class Performer:
    """Does scheduled work of a project.

    Attributes:
        project: the project.
        settings: of this host.
        ledger: the ledger.
        watch: says what is due.
        options: how tables are scored.
        retrain: trains a version for a reason; None where only tables are scored.
    """

    project: Project
    settings: Settings
    ledger: Ledger
    watch: Watch
    options: RunOptions = field(default_factory=RunOptions)
    retrain: Retrain | None = None

    def perform(self, work: ScheduledWork, *, only_due: bool = False) -> Performed:
        """Do the work; with ``only_due``, only if its schedule says so.

        Raises:
            TiltyardError: it failed. That is remembered, an alert is raised, and it is due again soon, and later each
                time; of several files those that can be scored are scored.
        """
        lease = f"schedule/{self.project.model_name}/{work.name}"
        with hold_lease(self.ledger.leases, lease) as holding:
            if holding is None:
                return Performed(work.title, "busy", summary=f"Another process works on {work.title}.")
            now = self.ledger.leases.read_clock()
            state = self.watch.read_state(work, now)
            try:
                due = self.watch.check(work, now) if only_due else None
                if only_due and due is None:
                    return Performed(work.title, "nothing", summary="It is not due.")
                rows = due.rows if due is not None and due.rows is not None else self.watch.count_rows(work)
                done = self._do(work, due)
            except TiltyardError as error:
                with suppress(UnavailableError):  # of the ledger: the error is raised all the same
                    record_failure(self, work, error)
                raise
            if done.outcome != "busy":
                # Work that is begun by hand or by another scheduler shortly before it is due was meant to be that.
                base = now if due is not None else now + SKEW
                after = WorkState(work.spec, work.find_next(base), rows, last=now, outcome=done.summary)
                self.watch.memory.write(work, after)
                if state.error:
                    _update_alert(self, work, None)
            return done

    def _do(self, work: ScheduledWork, due: Due | None) -> Performed:
        if work.table is None:
            return self._train(work, due)
        if isinstance(work.trigger, NewFiles):
            files = due.files if due is not None else self.watch.find_files(work)
            return self._score_files(work, work.table, files)
        result = self._score(work, work.table, work.table.source)
        if result.already:
            return Performed(work.title, "done", (result,), "Neither the source nor its results changed.")
        scored = f"{format_count(result.scored, 'row')} {choose_form(result.scored, 'was', 'were')} scored"
        return Performed(work.title, "done", (result,), f"{scored} to {result.target}")

    def _train(self, work: ScheduledWork, due: Due | None) -> Performed:
        if self.retrain is None:
            raise UnavailableError("Training is not available here.", next_step="Run: tiltyard retrain")
        response = self.retrain(f"[training] schedule = {work.written!r}" + (f": {due.reason}" if due else ""))
        if response.outcome == "busy":
            return Performed(work.title, "busy", summary=f"Another process works on {self.project.model_name}.")
        last = response.actions[-1]
        if last.ending == "failed":
            raise TiltyardError(
                last.summary, next_step="Correct what failed; it is tried again.", code="batch.training-failed"
            )
        if due is not None:
            for new in due.files:
                self.watch.memory.write_file(work, new.path, replace(new.seen, status="done"))
        return Performed(work.title, "done", summary=last.summary or "The training waits for its A/B test.")

    def _score_files(self, work: ScheduledWork, table: BatchTable, files: tuple[NewFile, ...]) -> Performed:
        """Score each file by itself; one that fails does not keep the others from being scored."""
        memory = self.watch.memory
        there = frozenset(path for path, _ in list_files(self.project, work.source))
        results: list[ScoreResult] = []
        failed: list[tuple[NewFile, TiltyardError]] = []
        for found in files:
            new = found
            try:
                recognised = recognise(work, memory, new, there)
                if recognised is None:
                    continue
                new = recognised
                name = name_result(work.source, new.path)
                require_own_name(memory.list_files(work), new, name, tuple(there))
                named = {
                    key: value.replace(PLACE, name)
                    for key, value in (("target", table.target), ("to_table", table.to_table))
                    if value is not None
                }
                results.append(self._score(work, table.model_copy(update=named), new.source))
            except TiltyardError as error:
                failed.append((new, error))
                attempts = new.seen.attempts + 1
                retry = self.ledger.leases.read_clock() + find_pause(attempts)
                memory.write_file(work, new.path, replace(new.seen, status="failed", attempts=attempts, retry=retry))
                continue
            memory.write_file(work, new.path, replace(new.seen, status="done", result=name, attempts=0, retry=None))
        if failed:
            new, first = failed[0]
            more = f" ({len(failed) - 1} more failed.)" if len(failed) > 1 else ""
            raise TiltyardError(
                f"{new.path} was not scored: {first.message}{more}", next_step=first.next_step, code=first.code
            )
        if not results:
            return Performed(work.title, "nothing", summary="There is no new file.")
        rows = sum(result.scored for result in results)
        scored = f"{format_count(len(results), 'file')} {choose_form(len(results), 'was', 'were')}"
        summary = f"{scored} scored ({format_count(rows, 'row')})"
        return Performed(work.title, "done", tuple(results), summary)

    def _score(self, work: ScheduledWork, table: BatchTable, source: str) -> ScoreResult:
        job = make_table_job(self.project, self.settings, table, source)
        try:
            return score_table(job, self.options)
        except TiltyardError as error:
            if error.code not in ("batch.source-changed", "batch.unfinished") or work.trigger is None:
                raise
            # The source of an interrupted run is another by now: this run is about the present one.
            return score_table(job, replace(self.options, restart=True))


def find_pause(attempts: int) -> timedelta:
    """How long to wait after so many failures before the next attempt: 1, 2, 4, … minutes, an hour at most."""
    return min(FIRST_RETRY * int(2 ** min(attempts - 1, 10)), LONGEST_RETRY)


def record_failure(performer: Performer, work: ScheduledWork, error: TiltyardError) -> None:
    """Remember that work failed, and raise an alert."""
    now = performer.ledger.leases.read_clock()
    state = performer.watch.read_state(work, now)
    attempts = state.attempts + 1
    retry = now + find_pause(attempts) if work.trigger is not None else None
    performer.watch.memory.write(
        work, replace(state, attempts=attempts, retry=retry, error=error.message, last=now, outcome="failed")
    )
    _update_alert(performer, work, error)


def recover(performer: Performer, work: ScheduledWork) -> None:
    """Remember that what failed does not any more, and clear the alert."""
    state = performer.watch.memory.read(work)
    if state is not None and state.error:
        performer.watch.memory.write(work, replace(state, attempts=0, retry=None, error=""))
        _update_alert(performer, work, None)


def _update_alert(performer: Performer, work: ScheduledWork, error: TiltyardError | None) -> None:
    project, ledger = performer.project, performer.ledger
    now = ledger.leases.read_clock()
    finding = Finding(
        FAILED,
        "error",
        work.title,
        "Scheduled work fails",
        f"{work.title} failed: {error.message}" if error is not None else f"{work.title} runs again.",
        next_step=error.next_step if error is not None else "",
        evidence={} if error is None else {"code": error.code},
        status="clear" if error is None else "found",
    )
    record = finding_record(finding, model_name=project.model_name, at=now)
    ledger.findings.record([record])
    found = () if error is None else (record,)
    done = "It is tried again, and later each time." if error is not None else "It ran again."
    update = IncidentUpdate(f"schedule/{work.name}", f"{work.title} fails", True, found, done)
    update_alerts(ModelEvents(ledger, project.model_name), [update], now, project.alerts, actor=this_actor())


def describe_failure(code: int) -> TiltyardError:
    """The error of a process that ended without a word, by its exit code."""
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return TiltyardError(
        f"Its process {how}.", next_step="Read the log of the host: its memory may be short.", code="batch.died"
    )
