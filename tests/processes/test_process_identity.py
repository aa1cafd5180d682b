"""Whether the process that holds a lease still runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tiltyard.processes.process_identity import _read_start_time, current_holder, is_gone


def holder_of(process: int, started: str) -> str:
    host, _, _ = current_holder().rsplit("|", 2)
    return f"{host}|{process}|{started}"


def test_a_process_that_ended_is_gone() -> None:
    """A holder is not gone while its process runs, and is gone from the end of the process on."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    try:
        holder = holder_of(child.pid, _read_start_time(child.pid))
        assert not is_gone(holder)
    finally:
        child.kill()
        child.communicate()
    assert is_gone(holder)


def test_a_holder_of_this_host_with_another_start_is_gone() -> None:
    """Where the number of a process was used again, its holder is gone."""
    assert not is_gone(current_holder())
    assert is_gone(holder_of(os.getpid(), "1"))


def test_a_number_used_again_by_another_user_is_gone() -> None:
    """A process that this user may not signal is distinguished from the holder by its start, too."""
    # To every user but root, the first process of the host is one that it may not signal.
    started = _read_start_time(1)
    if not started:
        pytest.skip("this host has no /proc")
    root = os.geteuid() == 0
    if root:
        os.setresuid(65534, 65534, 0)
    try:
        assert is_gone(holder_of(1, f"{started}0"))
        assert not is_gone(holder_of(1, started))
    finally:
        if root:
            os.setresuid(0, 0, 0)


def test_the_processes_of_other_hosts_are_not_known_to_be_gone() -> None:
    """A holder of another host, or one that names no process, is not known to be gone."""
    assert not is_gone(f"elsewhere|{os.getpid()}|1")
    assert not is_gone("somebody")
