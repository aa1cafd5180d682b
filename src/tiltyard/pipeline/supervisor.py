"""Keeping several programs running: started together, started again when they die, ended in order."""

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

POLL_SECONDS = 0.1
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
WELL_AFTER = 60.0
"""A program that ran for so long was well: its next death is its first."""
GRACE_SECONDS = 20.0

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


@dataclass
class Part:
    """A program under supervision.

    Attributes:
        name: what it is, for people.
        command: how it is started.
        environment: variables beside this process's own.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Death:
    """A program died that should not have.

    Attributes:
        part: its name.
        pid: of the process that died.
        code: its exit code; negative for a signal.
        deaths: how often it died in a row.
        wait_seconds: how long until it is started again.
    """

    part: str
    pid: int
    code: int
    deaths: int
    wait_seconds: float


class Supervisor:
    """Runs programs and starts again what dies, after a wait that doubles while it keeps dying.

    Args:
        parts: the programs, in the order in which they are started; they are ended in the opposite order.
        on_line: told each line that a program writes to its standard output.
        on_death: told of each death.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        on_line: Callable[[str, str], None],
        on_death: Callable[[Death], None],
    ) -> None:
        self._on_line, self._on_death = on_line, on_death
        self._running = [_Running(part) for part in parts]

    def run(self, stop: threading.Event) -> None:
        """Keep all of them running until ``stop`` is set; call it in the main thread."""
        try:
            while not stop.is_set():
                for one in self._running:
                    self._tend(one)
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
        pid, one.process, one.start_at = one.process.pid, None, time.monotonic() + wait
        self._on_death(Death(one.part.name, pid, code, one.deaths, wait))

    def _end(self) -> None:
        for one in reversed(self._running):
            one.end()


class _Running:
    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: subprocess.Popen[str] | None = None
        self.started = self.start_at = 0.0
        self.deaths = 0
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

    def end(self) -> None:
        process = self.process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join(GRACE_SECONDS)
        self.process = None

    def _read(self, process: subprocess.Popen[str], on_line: Callable[[str, str], None]) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for above
        with process.stdout:
            for line in process.stdout:
                on_line(self.part.name, line.rstrip("\n"))


def _die_with_parent() -> None:
    """Let the kernel end a program whose supervisor was killed (Linux)."""
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)
