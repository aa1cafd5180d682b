"""Runs long actions: each is the command itself, in a separate process group, under the name of who started it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from tiltyard.console.actions.jobs import ActionJob, ActionJobs, JobState
from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.ledger import Ledger, new_id
from tiltyard.processes.process_group import PROGRESS, kill_group, launch_group
from tiltyard.processes.process_identity import current_holder

MOST_RUNNING = 2
STOP_SECONDS = 20.0
_SAVE_SECONDS = 1.0
_MOST_LINES = 50
_LONGEST_LINE = 300
_STATES: Mapping[int, JobState] = {0: "done", 3: "refused"}


@dataclass
class _Running:
    """A job whose process runs, and what it printed."""

    job: ActionJob
    process: subprocess.Popen[str] | None = None
    is_stopping: bool = False


class JobRunner:
    """Starts jobs and watches them until they end. Safe to use from several threads.

    Args:
        ledger: where jobs are kept.
        model_name: the registered model.
        folder: where the command runs.
    """

    def __init__(self, ledger: Ledger, model_name: str, folder: Path) -> None:
        self.jobs = ActionJobs(ledger, model_name)
        self._ledger, self._folder = ledger, folder
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._threads: list[threading.Thread] = []
        self._is_closed = False

    def start(
        self, action: str, words: Sequence[str], shown: str, *, actor: str, values: Mapping[str, Any]
    ) -> ActionJob:
        """Start a job.

        Args:
            action: the action.
            words: the words of the command after ``tiltyard``.
            shown: the command, for people.
            actor: who starts it; decisions of the process are recorded under this name.
            values: the values of the action.

        Raises:
            UnavailableError: too many run, or the ledger is away.
        """
        job = ActionJob(
            id=new_id(),
            action=action,
            command=shown,
            actor=actor,
            values=dict(values),
            started_at=self._ledger.leases.read_clock(),
            holder=current_holder(),
        )
        running = _Running(job)
        with self._lock:
            if self._is_closed or len(self._running) >= MOST_RUNNING:
                raise UnavailableError(
                    f"Long actions run {MOST_RUNNING} at a time, and so many run already.",
                    next_step="Start it again when one has ended: GET /api/v1/jobs",
                    code="job.too-many",
                )
            self._running[job.id] = running
        try:
            self.jobs.save(job)
            self.jobs.tidy()
        except BaseException:
            self._forget(job)
            raise
        # The thread that starts a process must outlive it: Linux ends the process with the thread.
        thread = threading.Thread(target=self._run, args=(running, list(words)), name=f"job {job.id}", daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return job

    def stop(self) -> None:
        """End the processes that still run, in order; their jobs are kept as stopped."""
        with self._lock:
            self._is_closed = True
            running = list(self._running.values())
        for one in running:
            one.is_stopping = True
            if one.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    one.process.terminate()
        end = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        for one in running:
            if one.process is not None and one.process.poll() is None:
                kill_group(one.process.pid)

    def _run(self, running: _Running, words: list[str]) -> None:
        try:
            self._finish(running, *self._watch(running, words))
        except Exception as error:  # noqa: BLE001 - whatever it is, the job does not look as if it still ran
            with contextlib.suppress(TiltyardError):
                self._save_end(running, "failed", error=_describe_failure(f"It could not be run: {error}."))
        finally:
            self._forget(running.job)

    def _watch(self, running: _Running, words: list[str]) -> tuple[int, str]:
        """Run the process to its end, and keep its progress; its exit code, and what it printed."""
        process = launch_group(
            [sys.executable, "-P", "-m", "tiltyard", *words],
            {"TILTYARD_ACTOR": running.job.actor, PROGRESS: "lines"},
            folder=self._folder,
            errors=subprocess.PIPE,
        )
        running.process = process
        if running.is_stopping:
            process.terminate()
        printed: list[str] = []
        with process:
            reader = threading.Thread(target=_read_all, args=(process.stdout, printed), daemon=True)
            reader.start()
            self._follow(running, process.stderr)
            code = process.wait()
            reader.join()
        return code, "".join(printed)

    def _follow(self, running: _Running, stream: IO[str] | None) -> None:
        saved = time.monotonic()
        for line in stream or ():
            text = line.strip()[:_LONGEST_LINE]
            if not text:
                continue
            lines = (*running.job.progress, text)[-_MOST_LINES:]
            running.job = replace(running.job, progress=lines)
            if time.monotonic() - saved >= _SAVE_SECONDS:
                saved = time.monotonic()
                with contextlib.suppress(TiltyardError):
                    self.jobs.save(running.job)

    def _finish(self, running: _Running, code: int, printed: str) -> None:
        said = _read_json(printed)
        error = said.get("error") if isinstance(said, dict) else None
        if isinstance(error, dict):
            self._save_end(running, "failed", error=error)
        elif code in _STATES:
            self._save_end(running, _STATES[code], result=said if isinstance(said, dict) else {"result": said})
        elif running.is_stopping:
            self._save_end(running, "stopped")
        else:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self._save_end(running, "failed", error=_describe_failure(f"Its process {how}."))

    def _save_end(
        self,
        running: _Running,
        state: JobState,
        *,
        result: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        now = self._ledger.leases.read_clock()
        summary = _summarise(state, result, error)
        running.job = replace(running.job, state=state, finished_at=now, result=result, error=error, summary=summary)
        self.jobs.save(running.job)

    def _forget(self, job: ActionJob) -> None:
        with self._lock:
            self._running.pop(job.id, None)


def _read_all(stream: IO[str] | None, into: list[str]) -> None:
    into += list(stream or ())


def _read_json(printed: str) -> Any:
    try:
        return json.loads(printed)
    except ValueError:
        return {}


def _summarise(state: JobState, result: Mapping[str, Any] | None, error: Mapping[str, Any] | None) -> str:
    """What came of a job, from what its command printed: a promotion has a status, a retraining its actions."""
    if error is not None:
        return str(error.get("message", "It failed."))
    if state == "stopped":
        return "Its console ended before it did."
    said = result or {}
    if isinstance(said.get("actions"), list):
        parts = [str(one.get("summary", "")) for one in said["actions"] if isinstance(one, dict)]
        return " ".join(part for part in parts if part) or "It waits for the next monitoring run."
    return str(said.get("status") or said.get("summary") or "It is done.")


def _describe_failure(message: str) -> dict[str, str]:
    step = "Read the log of the console, and start it again: the memory of its host may be short."
    return {"code": "job.died", "message": message, "next_step": step}
