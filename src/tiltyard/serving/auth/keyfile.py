"""The file of API keys: changed by ``tiltyard keys api``, watched by running servers."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tiltyard.errors import NotFoundError, TiltyardError, UsageError
from tiltyard.files import make_folder, write_atomically
from tiltyard.serving.auth.keys import ApiKey

FORMAT = 1
ONLY_OWNER = 0o600
FileState = tuple[int, int, int] | None
"""Time of change, size and inode of a file, which change when it is replaced; None where there is no file."""


class KeyFile:
    """A JSON file of keys (their digests), readable by its owner alone, replaced as a whole.

    Revoked and expired keys stay in it: they show whose a digest was, and that this host needs keys.
    Safe to change from several processes.

    Args:
        path: the file; it and its folder are made when the first key is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def state(self) -> FileState:
        """The state of the file on disk, to see whether it was replaced."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable_error(self.path, error.strerror or str(error)) from None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> tuple[ApiKey, ...]:
        """All keys that were ever made, the earliest first; none where there is no file.

        Raises:
            UsageError: the file cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _unreadable_error(self.path, error.strerror or str(error)) from None
        try:
            stored = _StoredKeys.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise _unreadable_error(self.path, f"{place}: {first['msg']}" if place else first["msg"]) from None
        if stored.format != FORMAT:
            raise _unreadable_error(self.path, f"its format is {stored.format}, and this Tiltyard reads {FORMAT}")
        return stored.keys

    def add(self, key: ApiKey) -> None:
        """Add a key.

        Raises:
            UsageError: the file cannot be read or written.
        """
        with self._hold_lock():
            self._write((*self.read(), key))

    def import_key(self, key: ApiKey) -> bool:
        """Add a key that was made elsewhere; whether it was new here. A key that is already there stays as it is.

        Raises:
            UsageError: a key of that id has another secret or other scopes, or was revoked here; or the file cannot
                be read or written.
        """
        with self._hold_lock():
            keys = self.read()
            found = next((known for known in keys if known.id == key.id), None)
            if found is None:
                self._write((*keys, key))
                return True
            if (found.digest, found.scopes, found.revoked_at) == (key.digest, key.scopes, None):
                return False
            why = "it was revoked" if found.revoked_at else "a key of that id has another secret or other scopes"
            raise UsageError(
                f"The API key {key.id} ({key.name}) cannot be added to {self.path}: {why}.",
                next_step="Make another one: tiltyard keys api new",
                code="api-key.known",
            )

    def revoke(self, key_id: str) -> ApiKey:
        """Mark a key as revoked from now on; one that is revoked already stays as it is.

        Raises:
            NotFoundError: there is no key of that id.
            UsageError: the file cannot be read or written.
        """
        with self._hold_lock():
            keys = self.read()
            found = next((key for key in keys if key.id == key_id), None)
            if found is None:
                raise NotFoundError(
                    f"There is no API key {key_id!r} in {self.path}.",
                    next_step="See: tiltyard keys api list",
                    code="api-key.unknown",
                )
            if found.revoked_at is not None:
                return found
            revoked = found.model_copy(update={"revoked_at": datetime.now(UTC)})
            self._write(tuple(revoked if key.id == key_id else key for key in keys))
            return revoked

    def empty(self) -> None:
        """Take all keys out of the file, once none of them is valid; where it was lost, an empty one takes its place.

        A server that runs tells by the empty file that the keys were given up and not lost.

        Raises:
            UsageError: a key is valid; or the file cannot be read or written.
        """
        with self._hold_lock():
            keys, now = self.read(), datetime.now(UTC)
            valid = [key.id for key in keys if key.state(now) == "valid"]
            if valid:
                raise UsageError(
                    f"API keys of {self.path} are valid: {', '.join(valid)}.",
                    next_step=f"Revoke them first: tiltyard keys api revoke {valid[0]}",
                    code="api-key.valid",
                )
            if keys or self.state() is None:
                self._write(())

    @contextlib.contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Let one process at a time read, change and replace the file."""
        try:
            make_folder(self.path.parent)
            lock = os.open(self.path.with_name(f".{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, ONLY_OWNER)
        except OSError as error:
            raise _unwritable_error(self.path, error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, keys: tuple[ApiKey, ...]) -> None:
        content = _StoredKeys(format=FORMAT, keys=keys).model_dump_json(indent=2)
        try:
            write_atomically(self.path, content + "\n", owner_only=True)
        except OSError as error:
            raise _unwritable_error(self.path, error) from None


class _StoredKeys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    keys: tuple[ApiKey, ...]


def _unreadable_error(path: Path, why: str) -> TiltyardError:
    return UsageError(
        f"The file of API keys {path} cannot be read: {why}.",
        next_step="Repair it or restore it; without it no caller is authenticated.",
        code="api-key.file",
    )


def _unwritable_error(path: Path, error: OSError) -> TiltyardError:
    return UsageError(
        f"The file of API keys {path} cannot be written: {error.strerror}.",
        next_step="Name a file that you can write to, by TILTYARD_API_KEYS.",
        code="api-key.file",
    )
