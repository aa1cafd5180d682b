"""Whether a worker gets on: asked over its line, again and again."""

from __future__ import annotations

import time
from threading import Event, Thread

from tiltyard.errors import TiltyardError
from tiltyard.serving.process.ipc import IpcChannel

MISSES = 3
"""So many questions in a row without an answer, and a worker hangs."""


class LivenessProbe:
    """Asks a worker, on a thread of its own, whether it gets on.

    Misses are counted rather than timed: a host that was asleep, or whose processes were all held for a while, is no
    reason to end anybody. A worker that answers, but whose model does not come back from a call, hangs as well.

    Args:
        line: the line to the worker; it answers ``ping`` with the seconds of the model call that is under way.
        hang_seconds: about how long it may keep silent, and a model call may take.
    """

    def __init__(self, line: IpcChannel, hang_seconds: float) -> None:
        self._line = line
        self._longest = hang_seconds
        self._patience = hang_seconds / MISSES
        self._over = Event()
        self._missed = 0
        self._scoring = 0.0
        self._thread = Thread(target=self._ask_on, name="tiltyard-ping", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a question that is under way is not waited for."""
        self._over.set()

    @property
    def missing(self) -> str:
        """What the worker fails to do, as a sentence goes on after "because"; empty while it gets on."""
        if self._missed >= MISSES:
            return f"it did not answer for {self._longest:g} seconds"
        if self._scoring >= self._longest:
            return f"its model has not come back from a call for {self._scoring:.0f} seconds"
        return ""

    def _ask_on(self) -> None:
        while not self._over.wait(self._patience / 2):
            asked = time.monotonic()
            try:
                self._scoring = float(self._line.ask("ping", seconds=self._patience))
            except TiltyardError:
                self._missed += 1
                # A line that is gone answers at once; the worker may have ended, which is seen elsewhere.
                self._over.wait(max(0.0, self._patience - (time.monotonic() - asked)))
            else:
                self._missed = 0
