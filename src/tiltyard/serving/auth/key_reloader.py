"""The keys as their file has them now: a key that is made or revoked counts without a restart."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Lock
from time import monotonic

from tiltyard.errors import TiltyardError
from tiltyard.serving.auth.keyfile import KeyFile, Mark
from tiltyard.serving.auth.keys import ApiKey, KeySet

# A look at the file costs two microseconds; a revoked key may open for so long still.
WATCH_SECONDS = 0.25

log = logging.getLogger(__name__)


class KeyReloader:
    """The keys of a file that others change. Safe to use from several threads.

    A file that cannot be read, or is gone, leaves the keys as they were: damage neither locks everybody out nor lets
    everybody in.

    Args:
        path: the file; None for no keys at all.
        own: a key beside those of the file, which opens too and does not count as one that was made.

    Raises:
        UsageError: the file is there and cannot be read.
    """

    def __init__(self, path: Path | None, own: ApiKey | None = None) -> None:
        self._own = own
        self._file = KeyFile(path) if path is not None else None
        self._lock = Lock()
        self._mark: Mark = self._file.mark() if self._file else None
        self._keys = KeySet(self._file.read() if self._file else (), own)
        self._looked = monotonic()

    @property
    def path(self) -> Path | None:
        """The file."""
        return self._file.path if self._file else None

    def current(self) -> KeySet:
        """The keys, at most ``WATCH_SECONDS`` old."""
        if self._file is not None and monotonic() - self._looked > WATCH_SECONDS:
            self._look(self._file)
        return self._keys

    def _look(self, file: KeyFile) -> None:
        with self._lock:
            self._looked = monotonic()
            try:
                mark = file.mark()
                if mark == self._mark:
                    return
                keys = KeySet(file.read(), self._own)
            except TiltyardError as error:
                log.error("%s The keys read before go on counting.", error.message)
                return
            if mark is None:
                log.error("The file of API keys %s is gone. The keys read before go on counting.", file.path)
                return
            self._mark, self._keys = mark, keys
            log.info("The API keys were read again: %d.", len(keys))
