"""A signal ends a process in order."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tiltyard.processes.stop_signal import StopSignal

PROGRAM = """
from tiltyard.processes.stop_signal import stop_on_signal
stop = stop_on_signal()
print("ready", flush=True)
assert stop.wait(60)
print("closed", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event_and_the_program_closes(number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C set the event, and the program goes through its own end with exit code 0."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert (output, process.returncode) == ("closed\n", 0)


STORM = """
import signal
from tiltyard.processes.stop_signal import StopSignal
stop = StopSignal()
signal.signal(signal.SIGALRM, lambda *_: stop.set())
for number in range(3000):
    signal.setitimer(signal.ITIMER_REAL, (1 + number % 40) * 1e-6)
    for _ in range(20):
        stop.wait(0)
print("closed", flush=True)
"""


def test_a_signal_at_any_moment_of_a_wait_ends_it() -> None:
    """A handler sets it while the main thread is anywhere inside of a wait: the process never waits for itself."""
    done = subprocess.run([sys.executable, "-c", STORM], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "closed\n"


def test_all_who_wait_are_woken() -> None:
    """Every thread that waits returns, the wait says whether it was set, and later ones return at once."""
    stop = StopSignal()
    assert (stop.is_set(), stop.wait(0)) == (False, False)
    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(stop.wait, 60) for _ in range(3)]
        stop.set()
        assert [wait.result(60) for wait in waits] == [True, True, True]
    assert (stop.is_set(), stop.wait(0)) == (True, True)
