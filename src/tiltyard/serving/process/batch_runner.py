"""Batch jobs of callers, each in its own process, started by the server's supervisor."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any

from tiltyard.errors import TiltyardError
from tiltyard.files import make_folder
from tiltyard.ledger.lease_guard import LeaseGuard
from tiltyard.ledger.ports import Ledger
from tiltyard.processes.process_group import kill_group, launch_group
from tiltyard.processes.process_identity import current_holder, is_gone
from tiltyard.project import Project
from tiltyard.serving.batch_jobs import BatchJob, BatchJobs
from tiltyard.settings import Settings

TICK_SECONDS = 1.0
STOP_SECONDS = 20.0
_HOLD = timedelta(minutes=2)
_ENDED_WELL = (0, 3)
_BUSY = "batch.busy"

log = logging.getLogger(__name__)


@dataclass
class _Running:
    """A job whose process runs, and the lease by which no other server runs it."""

    job: BatchJob
    process: Popen[str]
    guard: LeaseGuard
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None


class BatchRunner:
    """Runs jobs that wait, and those that an earlier server left, until it is stopped.

    Args:
        project: the project; ``[batch] jobs`` says how many run at a time.
        settings: of this host.
    """

    def __init__(self, project: Project, settings: Settings) -> None:
        self._project, self._settings = project, settings
        self._stop = threading.Event()
        self._running: dict[str, _Running] = {}
        self._thread = threading.Thread(target=self._run, name="tiltyard-batch", daemon=True)

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the processes in order; what they did not finish, the next server continues."""
        self._stop.set()
        self._thread.join(STOP_SECONDS + 10)

    def _run(self) -> None:
        from tiltyard.wiring.ledger import open_ledger  # noqa: PLC0415 - SQLAlchemy takes a second

        while not self._stop.is_set():
            try:
                with open_ledger(self._settings) as ledger:
                    self._work(ledger)
            except TiltyardError as error:
                log.warning("Batch jobs wait for the ledger: %s", error.message)
                self._stop.wait(TICK_SECONDS)

    def _work(self, ledger: Ledger) -> None:
        jobs = BatchJobs(ledger, self._project.model_name)
        try:
            while not self._stop.is_set():
                for running in list(self._running.values()):
                    self._collect(jobs, running)
                for job in jobs.select():
                    if len(self._running) >= self._project.batch.jobs or self._stop.is_set():
                        break
                    if job.state in ("waiting", "running") and job.id not in self._running:
                        self._begin(ledger, jobs, job)
                self._stop.wait(TICK_SECONDS)
        finally:
            self._end_all(jobs)

    def _begin(self, ledger: Ledger, jobs: BatchJobs, job: BatchJob) -> None:
        lease = ledger.leases.acquire(f"batch-job/{job.id}", current_holder(), _HOLD, is_gone)
        if lease is None:
            return  # another server runs it
        current = jobs.find(job.id)
        guard = LeaseGuard(ledger.leases, lease, _HOLD)
        if current.state not in ("waiting", "running"):
            guard.end()
            return
        jobs.save(replace(current, state="running"))
        make_folder(Path(current.target).parent)
        process = launch_group(self._list_words(current), {})
        running = _Running(replace(current, state="running"), process, guard)

        def read() -> None:
            running.lines += list(process.stdout or ())

        running.reader = threading.Thread(target=read, name=f"batch job {job.id}", daemon=True)
        running.reader.start()
        self._running[job.id] = running

    def _list_words(self, job: BatchJob) -> list[str]:
        words = ["score", job.read, "--to", job.target, "--project", str(self._project.root)]
        if job.columns:
            words += ["--columns", ",".join(job.columns)]
        if job.key is not None:
            words += ["--key", job.key]
        if job.probabilities:
            words += ["--probabilities"]
        return [sys.executable, "-P", "-m", "tiltyard", *words, "--json"]

    def _collect(self, jobs: BatchJobs, running: _Running) -> None:
        code = running.process.poll()
        if code is None:
            return
        if running.reader is not None:
            running.reader.join()
        said = _read_object(running.lines)
        if code in _ENDED_WELL and "error" not in said:
            jobs.finish(running.job, result=said)
        elif isinstance(said.get("error"), dict) and said["error"].get("code") == _BUSY:
            # The process of a server that was killed is still ending: it holds what it scores.
            jobs.save(replace(running.job, state="waiting"))
        elif isinstance(said.get("error"), dict):
            jobs.finish(running.job, error=said["error"])
        else:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            jobs.finish(
                running.job,
                error={
                    "code": "batch.died",
                    "message": f"Its process {how}.",
                    "next_step": "Read the log of the server: the memory of its host may be short. Request it again.",
                },
            )
        running.guard.end()
        del self._running[running.job.id]

    def _end_all(self, jobs: BatchJobs) -> None:
        for running in self._running.values():
            running.process.terminate()
        for running in self._running.values():
            try:
                running.process.wait(STOP_SECONDS)
            except TimeoutExpired:
                kill_group(running.process.pid)
            with suppress(TiltyardError):
                jobs.save(replace(running.job, state="waiting"))
            running.guard.end()
        self._running.clear()


def _read_object(lines: Sequence[str]) -> dict[str, Any]:
    try:
        found = json.loads("".join(lines))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
