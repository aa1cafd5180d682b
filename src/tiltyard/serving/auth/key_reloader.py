"""The API keys of a running server: a key that is made or revoked counts without a restart."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Lock
from time import monotonic

from tiltyard.errors import TiltyardError, UsageError
from tiltyard.serving.auth.keyfile import FileState, KeyFile
from tiltyard.serving.auth.keys import ApiKey, KeySet
from tiltyard.serving.auth.keys_mark import KeysMark

# To check the file costs two microseconds; a revoked key may be valid for so long still.
WATCH_SECONDS = 0.25

log = logging.getLogger(__name__)


class KeyReloader:
    """The keys of a file that other processes change. Safe to use from several threads.

    A file that cannot be read, or is gone, leaves the keys as they were: damage neither locks all callers out nor opens
    the server to everybody. A process that starts without the file, or with a damaged one, knows by the mark that there
    were keys: a worker that is restarted listens, refuses callers, and takes the file once it is whole. One that knew
    of keys writes the mark again where it is gone together with the file, as when somebody cleared the state folder.

    Args:
        path: the file; None for no keys at all.
        mark: whether keys were made on this host; default: it keeps no mark.
        own_key: a key in addition to those of the file, which is valid too and does not count as one that was made.
        knew_keys: whether the process that started this one knew of keys, so that their loss is noticed also where the
            state folder was cleared meanwhile.

    Raises:
        UsageError: the file exists and cannot be read, and no mark says that there were keys.
    """

    def __init__(
        self,
        path: Path | None,
        own_key: ApiKey | None = None,
        mark: KeysMark | None = None,
        *,
        knew_keys: bool = False,
    ) -> None:
        self._own_key = own_key
        self._mark = mark or KeysMark(None)
        self._file = KeyFile(path) if path is not None else None
        self._lock = Lock()
        self._state: FileState = self._file.state() if self._file else None
        self._damage = self._unmarked = ""
        self._keys = KeySet(self._read_first(self._file) if self._file else (), own_key)
        self._lost = False
        self._knew_keys = knew_keys
        self._read_mark()
        self._checked_at = monotonic()

    @property
    def lost(self) -> bool:
        """Whether keys were made on this host and none is known; as of the last call of ``current``."""
        return self._lost

    @property
    def knew_keys(self) -> bool:
        """Whether this process has known of keys that were not given up; as of the last call of ``current``."""
        return self._knew_keys

    @property
    def why_lost(self) -> str:
        """What happened to the file, as a sentence."""
        return self._damage or f"The file that held them is gone ({self.path})."

    @property
    def path(self) -> Path | None:
        """The file."""
        return self._file.path if self._file else None

    def current(self) -> KeySet:
        """The keys, at most ``WATCH_SECONDS`` old."""
        if self._file is not None and monotonic() - self._checked_at > WATCH_SECONDS:
            self._reload_if_changed(self._file)
        return self._keys

    def _reload_if_changed(self, file: KeyFile) -> None:
        with self._lock:
            self._checked_at = monotonic()
            try:
                state = file.state()
                if state == self._state:
                    self._read_mark()
                    return
                keys = KeySet(file.read(), self._own_key)
            except TiltyardError as error:
                self._keep(error.message)
                return
            if state is None:
                self._keep(f"The file of API keys {file.path} is gone.")
                return
            self._state, self._keys, self._damage = state, keys, ""
            self._read_mark()
            log.info("The API keys were read again: %d.", len(keys))

    def _read_first(self, file: KeyFile) -> tuple[ApiKey, ...]:
        try:
            return file.read()
        except UsageError as error:
            if not self._mark.is_set:
                raise
            self._damage = error.message
            return ()

    def _keep(self, problem: str) -> None:
        if problem != self._damage:
            log.error("%s%s", problem, " The keys that were read before stay valid." if self._keys else "")
        self._damage = problem
        self._read_mark(file_is_gone=True)

    def _read_mark(self, *, file_is_gone: bool = False) -> None:
        # Who goes back to no keys leaves a file without keys.
        gone = self._knew_keys and (file_is_gone or self._state is None)
        self._lost = not self._keys and (self._mark.is_set or gone)
        self._knew_keys = bool(self._keys) or self._lost
        if self._knew_keys and self._file is not None:
            try:
                self._mark.set(self._file.path)
            except TiltyardError as error:
                if error.message != self._unmarked:
                    log.warning("%s %s", error.message, error.next_step)
                self._unmarked = error.message
