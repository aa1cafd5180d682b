"""Scheduled work in the loop: each piece in its own process, so that none disturbs the loop or another."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from subprocess import Popen, TimeoutExpired
from typing import Any

from tiltyard.errors import TiltyardError
from tiltyard.pipeline.schedules.perform import Performer, describe_failure, record_failure, recover
from tiltyard.processes.process_group import kill_group, launch_group
from tiltyard.processes.stop_signal import Stop
from tiltyard.project.schedule import NewFiles
from tiltyard.project.scheduled_work import TRAINING, ScheduledWork, list_work

TICK_SECONDS = 1.0
STOP_SECONDS = 20.0
"""How long a process has to end in order; what it did not finish is resumed by the next."""
_ENDED_WELL = (0, 3)


@dataclass
class _Running:
    """A piece of work whose process runs."""

    work: ScheduledWork
    process: Popen[str]
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None


class Scheduler:
    """Starts what is due, until it is stopped.

    Args:
        performer: says what is due, and remembers what failed without a word.
        options: of the command line, by which a process finds the project.
        on_report: called with a report of each piece of work.
        on_problem: called with each failure.
    """

    def __init__(
        self,
        performer: Performer,
        options: Sequence[str],
        on_report: Callable[[dict[str, Any]], object],
        on_problem: Callable[[TiltyardError], object],
    ) -> None:
        self._performer, self._options = performer, tuple(options)
        self._on_report, self._on_problem = on_report, on_problem
        self._project = performer.project
        self._work = [work for work in list_work(self._project) if work.trigger is not None]
        self._running: dict[str, _Running] = {}
        self._checked: dict[str, float] = {}
        self._reported: dict[str, str] = {}

    @contextmanager
    def running(self, stop: Stop) -> Iterator[None]:
        """Have a thread start what is due while the block lasts; without schedules there is none."""
        if not self._work:
            yield
            return
        # The thread that starts a process has to live as long as it: Linux ends the process with it.
        thread = threading.Thread(target=self._run, args=(stop,), name="scheduler", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join(STOP_SECONDS + 5)

    def _run(self, stop: Stop) -> None:
        while not stop.is_set():
            for work in self._work:
                self._collect(work)
            for work in self._work:
                if not stop.is_set():
                    self._start_if_due(work)
            stop.wait(min(TICK_SECONDS, self._project.batch.check_seconds))
        self._end_all()

    def _start_if_due(self, work: ScheduledWork) -> None:
        if work.name in self._running or not self._has_room(work):
            return
        try:
            due = self._is_due(work)
            if due is not None and self._reported.pop(work.name, None) is not None:
                recover(self._performer, work)
        except TiltyardError as error:
            self._report_once(work, error)
            return
        except Exception as error:  # noqa: BLE001 - one source that cannot be looked at must not end the others
            self._report_once(work, TiltyardError(f"{type(error).__name__}: {error}", code="loop.unexpected"))
            return
        if due:
            self._running[work.name] = self._launch(work)

    def _is_due(self, work: ScheduledWork) -> bool | None:
        """Whether it is due; None where that was not looked up, which says nothing about its source."""
        performer = self._performer
        now = performer.ledger.leases.read_clock()
        if performer.watch.is_waiting(work, now):
            return None
        if work.find_next(now) is None:  # its source is looked at, which costs something
            moment = time.monotonic()
            if moment - self._checked.get(work.name, -math.inf) < self._project.batch.check_seconds:
                return None
            self._checked[work.name] = moment
        return performer.watch.check(work, now) is not None

    def _has_room(self, work: ScheduledWork) -> bool:
        tables = sum(one.work.table is not None for one in self._running.values())
        return work.table is None or tables < self._project.batch.at_once

    def _launch(self, work: ScheduledWork) -> _Running:
        words = ["retrain"] if work.name == TRAINING else ["score", work.title]
        command = [sys.executable, "-P", "-m", "tiltyard", *words, "--if-due", *self._options, "--json"]
        running = _Running(work, launch_group(command, {}))

        def read() -> None:
            running.lines += list(running.process.stdout or ())

        running.reader = threading.Thread(target=read, name=f"scheduled {work.title}", daemon=True)
        running.reader.start()
        self._on_report({"event": "scheduled", "name": work.title, "outcome": "begun", "text": f"{work.title} begins."})
        return running

    def _collect(self, work: ScheduledWork) -> None:
        """Report a process that has ended."""
        running = self._running.get(work.name)
        if running is None or running.process.poll() is None:
            return
        del self._running[work.name]
        if running.reader is not None:
            running.reader.join()
        said = _read_last(running.lines)
        code = running.process.returncode
        if code in _ENDED_WELL and "error" not in said:
            self._on_report({"event": "scheduled", **said})
            return
        error = said.get("error")
        if isinstance(error, dict):
            self._on_problem(TiltyardError(error["message"], next_step=error["next_step"], code=error["code"]))
            return
        # It could not say what happened: killed, or out of memory.
        died = describe_failure(code)
        self._on_problem(TiltyardError(f"{work.title}: {died.message}", next_step=died.next_step, code=died.code))
        try:
            record_failure(self._performer, work, died)
        except TiltyardError as problem:
            self._on_problem(problem)

    def _report_once(self, work: ScheduledWork, error: TiltyardError) -> None:
        """Report a problem that lasts once, and remember each failure: it is tried again later each time."""
        if self._reported.get(work.name) != error.message:
            self._reported[work.name] = error.message
            said = f"{work.title}: {error.message}"
            self._on_problem(TiltyardError(said, next_step=error.next_step, code=error.code))
        elif isinstance(work.trigger, NewFiles):  # looked at as often as before: other files of it may be new
            return
        try:
            record_failure(self._performer, work, error)
        except TiltyardError as problem:
            self._on_problem(problem)

    def _end_all(self) -> None:
        for running in self._running.values():
            running.process.terminate()
        for running in self._running.values():
            try:
                running.process.wait(STOP_SECONDS)
            except TimeoutExpired:
                kill_group(running.process.pid)


def _read_last(lines: Sequence[str]) -> dict[str, Any]:
    """The last line that is a JSON object; empty where none is."""
    text = "".join(lines)
    for candidate in (text, *reversed(lines)):
        try:
            found = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}
