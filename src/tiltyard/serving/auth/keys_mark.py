"""The mark that API keys were made on this host: while it is there, nothing here is open, also without the keys."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

from tiltyard.errors import UsageError
from tiltyard.files import OWNER_ALONE, make_folder, sync, write_atomically


class KeysMark:
    """A file in the state folder, which is durable before the first key is.

    Its content is for people; that it is there is what counts.

    Args:
        path: the file; None for a host that keeps no mark.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @property
    def is_set(self) -> bool:
        """Whether keys were made; so too where that cannot be looked up."""
        if self._path is None:
            return False
        try:
            self._path.lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def set(self, key_file: Path) -> None:
        """Note that keys are in this file; a mark that is there stays.

        Raises:
            UsageError: the mark cannot be written.
        """
        if self._path is None or self.is_set:
            return
        content = {"keys_in": str(key_file), "since": datetime.now(UTC).isoformat(timespec="seconds")}
        try:
            make_folder(self._path.parent, OWNER_ALONE)
            write_atomically(self._path, json.dumps(content) + "\n", owner_only=True)
        except OSError as error:
            raise UsageError(
                f"That API keys were made cannot be noted in {self._path}: {error.strerror}.",
                next_step="Make the state folder writable: without the note a server without its keys would be open.",
                code="api-key.mark",
            ) from None

    def remove(self) -> None:
        """Let servers of this host be open again, once they have no keys.

        Raises:
            OSError: it cannot be removed.
        """
        if self._path is None:
            return
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
            sync(self._path.parent)
