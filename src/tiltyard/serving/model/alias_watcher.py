"""Looking for a new version every now and then, away from the event loop."""

from __future__ import annotations

import logging
from threading import Event, Thread

from tiltyard.serving.model.manager import ModelManager

# Someone who waits for the first champion should not wait long.
IMPATIENT_SECONDS = 5.0
STOP_SECONDS = 2.0

log = logging.getLogger(__name__)


class AliasWatcher:
    """Refreshes a live model on a thread of its own.

    Args:
        live: the model to refresh.
        seconds: pause between two looks; shorter while there is nothing to answer with.
    """

    def __init__(self, live: ModelManager, seconds: float) -> None:
        self._live = live
        self._seconds = seconds
        self._stop = Event()
        # A look at a registry that hangs must not keep the process alive.
        self._thread = Thread(target=self._run, name="tiltyard-poll", daemon=True)

    def start(self) -> None:
        """Begin; the first look comes after the first pause."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, waiting a little for a look that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stop.wait(self._pause()):
            try:
                self._live.refresh()
            except Exception:
                log.exception("Looking for a new version failed")

    def _pause(self) -> float:
        return min(self._seconds, IMPATIENT_SECONDS) if self._live.current is None else self._seconds
