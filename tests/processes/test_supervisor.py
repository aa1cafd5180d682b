"""Programs that die or hang are started again: real processes, some of them stopped by a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tiltyard.processes import supervisor as module
from tiltyard.processes.health_checks import HealthCheck, Watchdog, heartbeat_check, http_check
from tiltyard.processes.heartbeat import HEARTBEAT
from tiltyard.processes.supervisor import ManagedProcess, ProcessExit, Supervisor

ALIVE = """
import subprocess, sys, time
from tiltyard.processes.heartbeat import Heartbeat
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
with Heartbeat(600):
    time.sleep(600)
"""
ANSWERING = "import sys; from http.server import test; test(bind='127.0.0.1', port=int(sys.argv[1]))"
PATIENCE = 30


class Watched:
    """A supervisor on a thread, and what it told."""

    def __init__(self, part: ManagedProcess) -> None:
        self.lines: list[str] = []
        self.deaths: list[ProcessExit] = []
        self.supervisor = Supervisor([part], lambda _part, line: self.lines.append(line), self.deaths.append)

    def pid(self, other_than: int | None = None) -> int:
        until(lambda: self.supervisor.pids().get("it") not in (None, other_than))
        return self.supervisor.pids()["it"]


@contextlib.contextmanager
def supervised(part: ManagedProcess) -> Iterator[Watched]:
    watched, stop = Watched(part), threading.Event()
    thread = threading.Thread(target=watched.supervisor.run, args=(stop,))
    thread.start()
    try:
        yield watched
    finally:
        stop.set()
        thread.join()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HUNG_SECONDS", 0.3)


def test_a_program_whose_heart_stops_is_replaced_with_all_it_left(tmp_path: Path) -> None:
    """A stopped program cannot be asked to end: it is killed, so is its stopped child, and another takes its place."""
    file = tmp_path / "heart"
    sign = HealthCheck("its heart stopped", heartbeat_check(file), every_seconds=1.2, misses=2, grace_seconds=PATIENCE)
    part = ManagedProcess("it", [sys.executable, "-c", ALIVE], {HEARTBEAT: str(file)}, [sign])
    with supervised(part) as watched:
        first = watched.pid()
        until(lambda: watched.lines)
        child = int(watched.lines[0])
        until(file.exists)
        time.sleep(1.3)
        os.kill(child, signal.SIGSTOP)
        os.kill(first, signal.SIGSTOP)
        until(lambda: watched.deaths)
        (death,) = watched.deaths
        assert (death.pid, death.code, death.hung) == (first, -signal.SIGKILL, "its heart stopped")
        second = watched.pid(other_than=first)
        until(lambda: not psutil.pid_exists(child))
    assert not psutil.pid_exists(second)


def test_a_server_that_does_not_answer_is_replaced() -> None:
    """A stopped server still takes connections, and answers none: so many in a row and it is replaced."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sign = HealthCheck("no answer", http_check(f"http://127.0.0.1:{port}/", 0.3), 0.2, misses=3, grace_seconds=PATIENCE)
    with supervised(ManagedProcess("it", [sys.executable, "-c", ANSWERING, str(port)], signs=[sign])) as watched:
        first = watched.pid()
        until(http_check(f"http://127.0.0.1:{port}/", 1))
        time.sleep(0.5)
        os.kill(first, signal.SIGSTOP)
        until(lambda: watched.deaths)
        assert watched.deaths[0].hung == "no answer"
        assert watched.pid(other_than=first)
        until(http_check(f"http://127.0.0.1:{port}/", 1))


def test_a_program_that_starts_slowly_is_let_start() -> None:
    """Until its first sign a program has its grace; only then do misses count."""
    told: list[str] = []
    seen = iter([False] * 6 + [True, False, True, False, False])
    vigil = Watchdog(
        [HealthCheck("gone", lambda: next(seen), every_seconds=0.01, misses=2, grace_seconds=600)], told.append
    )
    vigil.start()
    until(lambda: told)
    assert told == ["gone"]
    assert list(seen) == []


def test_a_program_that_never_comes_up_hangs_too() -> None:
    """When the grace is over and there was no sign, it hangs."""
    told: list[str] = []
    vigil = Watchdog(
        [HealthCheck("nothing", lambda: False, every_seconds=0.01, misses=2, grace_seconds=0.1)], told.append
    )
    vigil.start()
    until(lambda: told)
    assert told == ["nothing"]
