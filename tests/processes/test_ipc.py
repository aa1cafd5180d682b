"""Calls between two processes."""

from __future__ import annotations

import socket
import threading

import pytest

from tiltyard.errors import NotFoundError, UnavailableError
from tiltyard.processes.ipc import IpcChannel


def test_a_channel_carries_results_and_errors_both_ways() -> None:
    """Either end may call, errors keep their type, and a connection that is cut ends every call that waits."""
    left, right = socket.socketpair()
    waiting = threading.Event()
    ended = threading.Event()

    def never() -> None:
        waiting.set()
        threading.Event().wait(60)

    def missing() -> None:
        raise NotFoundError("There is none.", next_step="Make one.", code="none")

    one = IpcChannel(left, {"double": lambda number: 2 * number})
    other = IpcChannel(right, {"missing": missing, "never": never, "broken": lambda: 1 / 0}, ended.set)
    one.start()
    other.start()
    assert other.call("double", seconds=60, number=21) == 42
    with pytest.raises(NotFoundError, match=r"There is none\.") as caught:
        one.call("missing", seconds=60)
    assert (caught.value.next_step, caught.value.code) == ("Make one.", "none")
    with pytest.raises(UnavailableError, match="ZeroDivisionError"):
        one.call("broken", seconds=60)
    with pytest.raises(UnavailableError, match="did not reply"):
        one.call("never", seconds=0.05)
    waiting.clear()

    def disconnect() -> None:
        waiting.wait(60)
        other.close()

    cut = threading.Thread(target=disconnect)
    cut.start()
    with pytest.raises(UnavailableError, match="is gone"):
        one.call("never", seconds=60)
    assert ended.wait(60)
    cut.join()
    with pytest.raises(UnavailableError, match="is gone"):
        one.call("missing", seconds=60)
    one.close()
