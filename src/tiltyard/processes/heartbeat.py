"""A sign of life for whoever keeps this process: a file that is touched while its work gets on."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from types import TracebackType

HEARTBEAT = "TILTYARD_HEARTBEAT"
"""The environment variable that names the file, set by whoever keeps this process."""
EVERY_SECONDS = 1.0


class Heartbeat:
    """Touches a file every second, as long as the work has said within its patience that it gets on.

    The file is touched on a thread of its own: a step of the work may take long without being taken for stuck, while a
    process that is stopped, or whose threads all wait for one another, falls silent at once.

    Args:
        patience: seconds that the work may take from one ``beat`` to the next.
        file: the file; default: the one that the environment names, and none where it names none.
    """

    def __init__(self, patience: float, file: Path | None = None) -> None:
        named = os.environ.get(HEARTBEAT)
        self._file = file or (Path(named) if named else None)
        self._patience = patience
        self._latest = monotonic()
        self._ended = Event()
        self._thread: Thread | None = None

    def beat(self) -> None:
        """Say that the work gets on; costs next to nothing."""
        self._latest = monotonic()

    def __enter__(self) -> Heartbeat:
        if self._file is not None:
            self._thread = Thread(target=self._touch_on, args=(self._file,), name="tiltyard-heartbeat", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _touch_on(self, file: Path) -> None:
        while True:
            if monotonic() - self._latest < self._patience:
                try:
                    file.touch()
                except OSError:
                    # Whoever asked for the file took it away, and is gone or about to end this process.
                    return
            if self._ended.wait(EVERY_SECONDS):
                return
