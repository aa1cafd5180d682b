"""Keeping several programs running: started together, started again when they die or hang, ended in order."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tiltyard.processes.health_checks import HealthCheck, Watchdog

POLL_SECONDS = 0.1
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
WELL_AFTER = 60.0
"""A program that ran for so long was well: its next death is its first."""
GRACE_SECONDS = 20.0
HUNG_SECONDS = 5.0
"""How long a program that hangs is given to end by itself before it is killed."""
LEFT_SECONDS = 40.0
"""How long the children of a program that is gone are given to end what they had accepted."""

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


@dataclass
class ManagedProcess:
    """A program under supervision.

    Attributes:
        name: what it is, for people.
        command: how it is started.
        environment: variables beside this process's own.
        signs: how it shows that it gets on; without any it is only started again when it dies.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    signs: Sequence[HealthCheck] = ()


@dataclass(frozen=True)
class ProcessExit:
    """A program died that should not have, or was ended because it hung.

    Attributes:
        part: its name.
        pid: of the process that died.
        code: its exit code; negative for a signal.
        deaths: how often it died in a row.
        wait_seconds: how long until it is started again.
        hung: what was missed of it; empty for a program that died by itself.
    """

    part: str
    pid: int
    code: int
    deaths: int
    wait_seconds: float
    hung: str = ""


class Supervisor:
    """Runs programs and starts again what dies or hangs, after a wait that doubles while it keeps doing so.

    Args:
        parts: the programs, in the order in which they are started; they are ended in the opposite order.
        on_line: told each line that a program writes to its standard output.
        on_death: told of each death.
    """

    def __init__(
        self,
        parts: Sequence[ManagedProcess],
        on_line: Callable[[str, str], None],
        on_death: Callable[[ProcessExit], None],
    ) -> None:
        self._on_line, self._on_death = on_line, on_death
        self._running = [_Running(part) for part in parts]
        self._left: dict[int, float] = {}

    def run(self, stop: threading.Event) -> None:
        """Keep all of them running until ``stop`` is set; call it in the main thread."""
        try:
            while not stop.is_set():
                for one in self._running:
                    self._tend(one)
                self._sweep()
                stop.wait(POLL_SECONDS)
        finally:
            self._end()

    def pids(self) -> dict[str, int]:
        """The process of each program that runs."""
        return {one.part.name: one.process.pid for one in self._running if one.process is not None}

    def _tend(self, one: _Running) -> None:
        if one.process is None:
            if time.monotonic() >= one.start_at:
                one.start(self._on_line)
            return
        code = one.process.poll()
        if code is None:
            return
        if time.monotonic() - one.started >= WELL_AFTER:
            one.deaths = 0
        one.deaths += 1
        wait = min(FIRST_WAIT * 2 ** (one.deaths - 1), LONGEST_WAIT)
        pid, hung = one.process.pid, one.hung
        one.forget()
        one.start_at = time.monotonic() + wait
        self._left[pid] = time.monotonic() + (HUNG_SECONDS if hung else LEFT_SECONDS)
        self._on_death(ProcessExit(one.part.name, pid, code, one.deaths, wait, hung))

    def _sweep(self, *, now: bool = False) -> None:
        """Kill what programs that are gone have left behind and that does not end: it would keep their ports."""
        for group, until in list(self._left.items()):
            if not _is_there(group):
                del self._left[group]
            elif now or time.monotonic() >= until:
                _kill(group)

    def _end(self) -> None:
        for one in reversed(self._running):
            one.end()
        self._sweep(now=True)


class _Running:
    def __init__(self, part: ManagedProcess) -> None:
        self.part = part
        self.process: subprocess.Popen[str] | None = None
        self.started = self.start_at = 0.0
        self.deaths = 0
        self.hung = ""
        self._vigil: Watchdog | None = None
        self._reader: threading.Thread | None = None

    def start(self, on_line: Callable[[str, str], None]) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - our own command line
            self.part.command,
            env={**os.environ, **self.part.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C at the terminal is for the supervisor; it ends the others in order.
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )
        self._reader = threading.Thread(target=self._read, args=(self.process, on_line), daemon=True)
        self._reader.start()
        process = self.process
        self._vigil = Watchdog(self.part.signs, lambda missing: self._end_hung(process, missing))
        self._vigil.start()

    def forget(self) -> None:
        """It is gone: nobody looks for its signs any more."""
        if self._vigil is not None:
            self._vigil.end()
        self.process, self._vigil, self.hung = None, None, ""

    def end(self) -> None:
        process = self.process
        if process is None:
            return
        if self._vigil is not None:
            self._vigil.end()
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(process.pid)
            process.wait()
        if self._reader is not None:
            self._reader.join(GRACE_SECONDS)
        self.forget()

    def _end_hung(self, process: subprocess.Popen[str], missing: str) -> None:
        """On the vigil's thread: the supervisor sees that it ended, as of any other."""
        self.hung = missing
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(HUNG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()

    def _read(self, process: subprocess.Popen[str], on_line: Callable[[str, str], None]) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for above
        with process.stdout:
            for line in process.stdout:
                on_line(self.part.name, line.rstrip("\n"))


def _is_there(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _kill(group: int) -> None:
    """Kill a whole group: each program was started as the leader of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _die_with_parent() -> None:
    """Let the kernel end a program whose supervisor was killed (Linux)."""
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)
