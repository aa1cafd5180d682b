"""An orderly end of a process by a signal."""

from __future__ import annotations

import queue
import signal
import sys
import threading
from typing import Protocol


class Stop(Protocol):
    """What ends a long run: a ``StopSignal``, or a ``threading.Event`` where no handler of signals sets it."""

    def is_set(self) -> bool:
        """Whether it was said."""

    def wait(self, seconds: float, /) -> bool:
        """Wait until it is said, at most so long; returns whether it was said."""


class StopSignal:
    """What says that a process is to end: as ``threading.Event``, and safe to set in a handler of signals.

    A handler runs in the main thread, between any two of its steps. ``Event.set`` waits there for a lock that the main
    thread holds for moments of each ``wait``: the process never ends. A ``SimpleQueue`` may be filled at any moment.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wake_ups: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Say it; from any thread, and from a handler of signals."""
        self._is_set = True
        self._wake_ups.put(None)

    def is_set(self) -> bool:
        """Whether it was said."""
        return self._is_set

    def wait(self, seconds: float, /) -> bool:
        """Wait until it is said, at most so long.

        Returns:
            Whether it was said.
        """
        if not self._is_set:
            try:
                self._wake_ups.get(timeout=seconds)
            except queue.Empty:
                return self._is_set
            self._wake_ups.put(None)  # for others who wait
        return True


def stop_on_signal() -> StopSignal:
    """What SIGTERM and Ctrl-C set, instead of ending the process; for the main thread."""
    stop = StopSignal()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def exit_on_signal() -> None:
    """Have SIGTERM end the process in order, as Ctrl-C does: what it holds is released. Elsewhere than in the main
    thread, which alone receives signals, it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
