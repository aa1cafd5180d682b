"""The heartbeat of a supervised process: a file that it touches while its work makes progress."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from types import TracebackType

HEARTBEAT = "TILTYARD_HEARTBEAT"
"""The environment variable that names the file; the supervisor sets it."""
EVERY_SECONDS = 1.0


class Heartbeat:
    """Touches a file every second, as long as the last call of ``beat`` is not older than the patience.

    A thread touches the file: one step of the work may take long and does not count as a hang, while a process that is
    stopped, or whose threads all wait for one another, stops touching it at once.

    Args:
        patience: seconds that the work may take from one ``beat`` to the next.
        file: the file; default: the one that the environment names. Without either nothing is touched.
        clock: seconds that only rise.
    """

    def __init__(self, patience: float, file: Path | None = None, *, clock: Callable[[], float] = monotonic) -> None:
        named = os.environ.get(HEARTBEAT)
        self._file = file or (Path(named) if named else None)
        self._patience = patience
        self._clock = clock
        self._latest = clock()
        self._stopped = Event()
        self._thread: Thread | None = None

    def beat(self) -> None:
        """Record that the work makes progress; costs next to nothing."""
        self._latest = self._clock()

    def touch_if_alive(self) -> bool:
        """Touch the file if the last beat is recent enough.

        Returns:
            Whether to continue: False once the folder of the file is gone, and with it the supervisor that reads it.
        """
        if self._file is None or self._clock() - self._latest >= self._patience:
            return True
        try:
            self._file.touch()
        except OSError:
            return False
        return True

    def __enter__(self) -> Heartbeat:
        if self._file is not None:
            self._thread = Thread(target=self._touch_until_stopped, name="tiltyard-heartbeat", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _touch_until_stopped(self) -> None:
        while self.touch_if_alive() and not self._stopped.wait(EVERY_SECONDS):
            pass
