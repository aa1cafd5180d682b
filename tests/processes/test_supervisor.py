"""Processes that die or hang are started again: real processes, some of them stopped by a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tiltyard.processes import supervisor as module
from tiltyard.processes.health_checks import HealthCheck, heartbeat_check, http_check
from tiltyard.processes.heartbeat import HEARTBEAT
from tiltyard.processes.process_group import launch_group
from tiltyard.processes.supervisor import ManagedProcess, ProcessExit, RestartPolicy, Supervisor

ALIVE = """
import subprocess, sys, time
from tiltyard.processes.heartbeat import Heartbeat
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
with Heartbeat(600):
    time.sleep(600)
"""
# Ends on SIGTERM, and says so; "ignores" does not end.
ENDING = """
import signal, sys, time
def end(*_):
    print("ended", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[1:] else end)
print("runs", flush=True)
time.sleep(600)
"""
HTTP = "import sys; from http.server import test; test(bind='127.0.0.1', port=int(sys.argv[1]))"
PATIENCE = 60


class Supervised:
    """A supervisor on a thread, and what it reported."""

    def __init__(self, *processes: ManagedProcess, stop_together: bool = False) -> None:
        self.exits: list[ProcessExit] = []
        policy = RestartPolicy(first_seconds=0.05, longest_seconds=0.2)
        self.supervisor = Supervisor(processes, self.exits.append, policy, stop_together=stop_together)

    def pid(self, name: str = "it", other_than: int | None = None) -> int:
        until(lambda: self.supervisor.pids().get(name) not in (None, other_than))
        return self.supervisor.pids()[name]


@contextlib.contextmanager
def supervise(*processes: ManagedProcess, stop_together: bool = False) -> Iterator[Supervised]:
    supervised, stop = Supervised(*processes, stop_together=stop_together), threading.Event()
    thread = threading.Thread(target=supervised.supervisor.run, args=(stop,))
    thread.start()
    try:
        yield supervised
    finally:
        stop.set()
        thread.join()


def python(*arguments: str, environment: dict[str, str] | None = None) -> Callable[[], subprocess.Popen[str]]:
    return lambda: launch_group([sys.executable, "-c", *arguments], environment or {})


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Signal:
    """A probe that passes until the test says otherwise."""

    passes = True

    def __init__(self) -> None:
        self.probed = threading.Event()

    def __call__(self) -> bool:
        self.probed.set()
        return self.passes


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HUNG_SECONDS", 0.3)


@pytest.mark.requirement("R-MON-20")
def test_a_process_whose_heartbeat_stops_is_replaced_with_its_children(tmp_path: Path) -> None:
    """A stopped process cannot end by itself: it is killed, so is its stopped child, and another takes its place."""
    file = tmp_path / "heart"
    probe, passed = heartbeat_check(file), threading.Event()

    def passes() -> bool:
        if probe():
            passed.set()
            return True
        return False

    lines: list[str] = []
    managed = ManagedProcess(
        "it",
        python(ALIVE, environment={HEARTBEAT: str(file)}),
        lambda: [HealthCheck("its heartbeat stopped", passes, every_seconds=1.2, misses=4, grace_seconds=PATIENCE)],
        lines.append,
        leads_group=True,
    )
    with supervise(managed) as supervised:
        first = supervised.pid()
        until(lambda: lines)
        child = int(lines[0])
        assert passed.wait(PATIENCE)
        os.kill(child, signal.SIGSTOP)
        os.kill(first, signal.SIGSTOP)
        until(lambda: supervised.exits)
        (exit_,) = supervised.exits
        assert (exit_.pid, exit_.code, exit_.hung) == (first, -signal.SIGKILL, "its heartbeat stopped")
        second = supervised.pid(other_than=first)
        until(lambda: not psutil.pid_exists(child))
    assert not psutil.pid_exists(second)


def test_a_server_that_does_not_respond_is_replaced() -> None:
    """A stopped server still takes connections and responds to none: after so many misses it is replaced."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    probe, passed = http_check(f"http://127.0.0.1:{port}/", 2), threading.Event()

    def passes() -> bool:
        if probe():
            passed.set()
            return True
        return False

    managed = ManagedProcess(
        "it", python(HTTP, str(port)), lambda: [HealthCheck("no response", passes, 0.2, 3, PATIENCE)], leads_group=True
    )
    with supervise(managed) as supervised:
        first = supervised.pid()
        assert passed.wait(PATIENCE)
        os.kill(first, signal.SIGSTOP)
        until(lambda: supervised.exits)
        assert supervised.exits[0].hung == "no response"
        assert supervised.pid(other_than=first)
        until(http_check(f"http://127.0.0.1:{port}/", 1))


def test_a_process_that_hangs_may_end_before_it_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hangs and still takes signals ends by SIGTERM, and is reported with its own exit code."""
    monkeypatch.setattr(module, "HUNG_SECONDS", PATIENCE)
    lines: list[str] = []
    hangs = Signal()
    checks = [HealthCheck("it hangs", hangs, 0.01, 1, PATIENCE)]
    with supervise(ManagedProcess("it", python(ENDING), lambda: checks, lines.append, leads_group=True)) as supervised:
        first = supervised.pid()
        until(lambda: lines and hangs.probed.is_set())
        hangs.passes = False
        until(lambda: supervised.exits)
        hangs.passes = True
        assert (supervised.exits[0].pid, supervised.exits[0].code, supervised.exits[0].hung) == (first, 0, "it hangs")
        until(lambda: "ended" in lines)


@pytest.mark.parametrize(("together", "order"), [(False, ["b", "a"]), (True, ["a", "b"])])
def test_processes_end_in_order(together: bool, order: Sequence[str]) -> None:
    """They end one after the other, the last one first, or all at once; their last lines and releases are not lost."""
    lines: list[str] = []
    gone: list[str] = []

    def managed(name: str) -> ManagedProcess:
        return ManagedProcess(
            name,
            python(ENDING),
            on_line=lambda line: lines.append(f"{name} {line}"),
            on_gone=lambda: gone.append(name),
            leads_group=True,
        )

    with supervise(managed("a"), managed("b"), stop_together=together) as supervised:
        until(lambda: len(lines) == 2)
        pids = list(supervised.supervisor.pids().values())
        assert len(pids) == 2
    assert gone == order
    if together:
        assert sorted(lines[2:]) == ["a ended", "b ended"]
    else:
        assert lines[2:] == ["b ended", "a ended"]
    assert not any(map(psutil.pid_exists, pids))
    assert supervised.exits == []
    assert supervised.supervisor.pids() == {}


def test_a_process_that_ignores_the_signal_is_killed_after_its_time() -> None:
    """One that does not end within its own time is killed; nobody waits longer for it."""
    lines: list[str] = []
    managed = ManagedProcess(
        "it", python(ENDING, "ignores"), on_line=lines.append, stop_seconds=lambda: 0.2, leads_group=True
    )
    with supervise(managed) as supervised:
        pid = supervised.pid()
        until(lambda: lines)
    assert not psutil.pid_exists(pid)


def test_deaths_in_a_row_lengthen_the_pause_and_a_long_life_forgets_them() -> None:
    """The pause doubles with each death up to its longest; a process that lived long enough starts anew."""
    policy = RestartPolicy(first_seconds=0.5, longest_seconds=3, stable_seconds=60)
    assert [policy.pause_seconds(deaths) for deaths in (1, 2, 3, 4, 5000)] == [0.5, 1, 2, 3, 3]
    assert policy.count_deaths(4, lived_seconds=1) == 5
    assert policy.count_deaths(4, lived_seconds=61) == 1


def test_a_restart_that_fails_is_tried_again() -> None:
    """A host that cannot start a process for a while (no memory, too many processes) does not end the supervision."""
    lines: list[str] = []
    launches: list[int] = []

    def launch() -> subprocess.Popen[str]:
        launches.append(len(launches))
        if len(launches) in (2, 3):
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return python(ENDING)()

    with supervise(ManagedProcess("it", launch, on_line=lines.append, leads_group=True)) as supervised:
        first = supervised.pid()
        os.kill(first, signal.SIGKILL)
        second = supervised.pid(other_than=first)
        until(lambda: psutil.pid_exists(second))
    assert len(launches) == 4
    assert [exit_.deaths for exit_ in supervised.exits] == [1]


def test_a_first_start_that_fails_is_an_error() -> None:
    """A program that cannot be started at all is an error at once, and what was started before is ended."""

    def launch() -> subprocess.Popen[str]:
        raise FileNotFoundError(2, "No such file or directory", "absent")

    running = ManagedProcess("one", python(ENDING), leads_group=True)
    supervisor = Supervisor([running, ManagedProcess("absent", launch)], lambda _exit: None)
    with pytest.raises(FileNotFoundError):
        supervisor.run(threading.Event())
    assert supervisor.pids() == {}
