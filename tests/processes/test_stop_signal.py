"""A signal ends a process in order."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

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
