"""Looks the alias up regularly, away from the event loop: a new version takes over without a restart."""

from __future__ import annotations

import logging
from threading import Event, Thread

from tiltyard.serving.model.manager import ModelManager

# A user who waits for the first champion should not wait long.
IMPATIENT_SECONDS = 5.0
STOP_SECONDS = 2.0

log = logging.getLogger(__name__)


class AliasWatcher:
    """Refreshes a model manager regularly, on a thread.

    Args:
        models: the manager to refresh.
        seconds: the pause between two refreshes; shorter while no version is served.
    """

    def __init__(self, models: ModelManager, seconds: float) -> None:
        self._models = models
        self._seconds = seconds
        self._stop = Event()
        # A call to a registry that hangs must not keep the process alive.
        self._thread = Thread(target=self._run, name="tiltyard-alias-watcher", daemon=True)

    def start(self) -> None:
        """Start; the first refresh comes after the first pause."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, waiting a little for a refresh that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stop.wait(self._pause()):
            try:
                self._models.refresh()
            except Exception:
                log.exception("The alias could not be refreshed")

    def _pause(self) -> float:
        return min(self._seconds, IMPATIENT_SECONDS) if self._models.current is None else self._seconds
