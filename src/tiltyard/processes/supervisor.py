"""A supervisor: keeps processes running, starts them again when they die or hang, and ends them in order."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tiltyard.processes.health_checks import HealthCheck, Watchdog
from tiltyard.processes.process_group import group_exists, kill_group
from tiltyard.processes.stop_signal import Stop

TICK_SECONDS = 0.05
HUNG_SECONDS = 5.0
"""How long a process that hangs is given to end after SIGTERM before it is killed."""
ORPHAN_SECONDS = 40.0
"""How long the children of a process that died are given to finish the requests that they had accepted."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RestartPolicy:
    """How long to wait before a process that died is started again: a pause that doubles with each death in a row.

    Attributes:
        first_seconds: the pause after the first death.
        longest_seconds: the longest pause.
        stable_seconds: a process that ran for longer was well, and its next death is the first again.
    """

    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    stable_seconds: float = 60.0

    def count_deaths(self, earlier: int, lived_seconds: float) -> int:
        """How often a process died in a row, its latest death included."""
        return 1 if lived_seconds > self.stable_seconds else earlier + 1

    def pause_seconds(self, deaths: int) -> float:
        """The pause after so many deaths in a row."""
        return float(min(self.first_seconds * 2 ** min(deaths - 1, 30), self.longest_seconds))


@dataclass(frozen=True)
class ManagedProcess:
    """A process under supervision.

    Attributes:
        name: what it is, for people.
        launch: starts it.
        health_checks: how it shows that it works, made anew after each start; without any it is only started again
            when it dies.
        on_line: receives each line of its standard output, if ``launch`` opens a pipe for that.
        on_gone: called when the process is gone, to release what belonged to it.
        stop_seconds: how long it is given to end in order after SIGTERM before it is killed; read at that time.
        leads_group: whether it leads a process group: then its children are killed with it.
    """

    name: str
    launch: Callable[[], subprocess.Popen[Any]]
    health_checks: Callable[[], Sequence[HealthCheck]] = tuple
    on_line: Callable[[str], object] = lambda _line: None
    on_gone: Callable[[], object] = lambda: None
    stop_seconds: Callable[[], float] = lambda: 20.0
    leads_group: bool = False


@dataclass(frozen=True)
class ProcessExit:
    """A process died unexpectedly, or was ended because it hung.

    Attributes:
        name: its name.
        pid: its process id.
        code: its exit code; negative for a signal.
        deaths: how often it died in a row.
        wait_seconds: how long until it is started again.
        hung: which health check failed; empty for a process that died without that.
    """

    name: str
    pid: int
    code: int
    deaths: int
    wait_seconds: float
    hung: str = ""


class Supervisor:
    """Keeps processes running until it is stopped.

    Args:
        processes: the processes, in the order in which they are started.
        on_exit: called for each process that died or was ended because it hung.
        policy: when they are started again.
        stop_together: whether all are ended at once; else one after the other, the last one first.
    """

    def __init__(
        self,
        processes: Sequence[ManagedProcess],
        on_exit: Callable[[ProcessExit], object],
        policy: RestartPolicy | None = None,
        *,
        stop_together: bool = False,
    ) -> None:
        self._on_exit = on_exit
        self._policy = policy or RestartPolicy()
        self._stop_together = stop_together
        self._running = [_Running(managed) for managed in processes]
        self._orphans: dict[int, float] = {}

    def start(self) -> None:
        """Start those that do not run yet; ``run`` does it too.

        Raises:
            OSError: a process cannot be started for the first time. A restart that fails is tried again.
        """
        for running in self._running:
            if running.process is None and time.monotonic() >= running.start_at:
                self._start(running)

    def run(self, stop: Stop, on_tick: Callable[[], object] = lambda: None) -> None:
        """Keep all processes running until ``stop`` is set, then end them.

        Args:
            stop: ends the supervision.
            on_tick: called some times a second, as long as the supervisor works.
        """
        try:
            while not stop.is_set():
                on_tick()
                self.start()
                for running in self._running:
                    self._supervise(running)
                self._kill_orphans()
                stop.wait(TICK_SECONDS)
        finally:
            self.end()

    def end(self) -> None:
        """End all processes in order; ``run`` does it when it returns. Ending twice is a no-op."""
        if self._stop_together:
            _end_processes(self._running)
        else:
            for running in reversed(self._running):
                _end_processes([running])
        self._kill_orphans(at_once=True)

    def pids(self) -> dict[str, int]:
        """The process id of each process that was started and has not been seen to end."""
        alive = [(running.managed.name, running.process) for running in self._running]
        return {name: process.pid for name, process in alive if process is not None}

    def _start(self, running: _Running) -> None:
        try:
            running.start()
        except OSError as error:
            if not running.ever_started:
                raise
            # The host has no memory or no process to spare; that may pass.
            running.start_at = time.monotonic() + self._policy.longest_seconds
            log.error(
                "The %s could not be started (%s); the next attempt follows in %g seconds.",
                running.managed.name,
                error,
                self._policy.longest_seconds,
            )

    def _supervise(self, running: _Running) -> None:
        process = running.process
        if process is None:
            return
        code = process.poll()
        if code is None:
            running.end_if_hung(process)
            return
        now = time.monotonic()
        deaths = running.deaths = self._policy.count_deaths(running.deaths, now - running.started_at)
        pause = self._policy.pause_seconds(deaths)
        hung = running.hung
        if running.managed.leads_group:
            self._orphans[process.pid] = now + (HUNG_SECONDS if hung else ORPHAN_SECONDS)
        running.release()
        running.start_at = now + pause
        self._on_exit(ProcessExit(running.managed.name, process.pid, code, deaths, pause, hung))

    def _kill_orphans(self, *, at_once: bool = False) -> None:
        """Kill the children that a dead process left and that do not end: they would keep its ports."""
        for group, until in list(self._orphans.items()):
            if not group_exists(group):
                del self._orphans[group]
            elif at_once or time.monotonic() >= until:
                kill_group(group)


class _Running:
    """One managed process, and its state from start to start."""

    def __init__(self, managed: ManagedProcess) -> None:
        self.managed = managed
        self.process: subprocess.Popen[Any] | None = None
        self.started_at = self.start_at = 0.0
        self.ever_started = False
        self.deaths = 0
        self.hung = ""
        self._kill_at: float | None = None
        self._watchdog: Watchdog | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        self.started_at, self.hung, self._kill_at = time.monotonic(), "", None
        process = self.process = self.managed.launch()
        self.ever_started = True
        if process.stdout is not None:
            self._reader = threading.Thread(target=self._read_lines, args=(process,), daemon=True)
            self._reader.start()
        self._watchdog = Watchdog(self.managed.health_checks(), lambda failure: self._mark_hung(process, failure))
        self._watchdog.start()

    def end_if_hung(self, process: subprocess.Popen[Any]) -> None:
        """Ask a process that hangs to end, and kill it when it does not: one that is stopped cannot."""
        if not self.hung:
            return
        now = time.monotonic()
        if self._kill_at is None:
            self._kill_at = now + HUNG_SECONDS
            process.terminate()
        elif now >= self._kill_at:
            process.kill()

    def stop_watching(self) -> None:
        if self._watchdog is not None:
            self._watchdog.stop()

    def kill(self, process: subprocess.Popen[Any]) -> None:
        if self.managed.leads_group:
            kill_group(process.pid)
        else:
            process.kill()

    def read_rest(self, seconds: float) -> None:
        """Wait for the last lines of its output."""
        if self._reader is not None:
            self._reader.join(seconds)

    def release(self) -> None:
        """The process is gone: end its checks and release what belonged to it."""
        self.stop_watching()
        self.process, self._watchdog = None, None
        self.managed.on_gone()

    def _mark_hung(self, process: subprocess.Popen[Any], failure: str) -> None:
        """Called on a thread of the watchdog; the supervisor's loop does the rest."""
        if self.process is process:
            self.hung = failure

    def _read_lines(self, process: subprocess.Popen[Any]) -> None:
        assert process.stdout is not None  # noqa: S101 - checked above
        with process.stdout:
            for line in process.stdout:
                self.managed.on_line(line.rstrip("\n"))


def _end_processes(running: Sequence[_Running]) -> None:
    """Send SIGTERM to these processes, wait for all of them, and kill those that take too long."""
    alive = [(each, each.process) for each in running if each.process is not None]
    for each, process in alive:
        each.stop_watching()
        process.terminate()
    began = time.monotonic()
    for each, process in alive:
        while process.poll() is None:
            if time.monotonic() - began > each.managed.stop_seconds():
                each.kill(process)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(TICK_SECONDS)
        each.read_rest(each.managed.stop_seconds())
        each.release()
