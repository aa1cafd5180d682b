"""Where snapshots stand: a folder, or a place behind a URL. A file appears there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Protocol
from uuid import uuid4

from pyarrow import parquet
from pyarrow.lib import ArrowException

from tiltyard.data.sources.location import SCHEMES, Location
from tiltyard.data.sources.storage import OBJECT_STORES, open_storage, storage_error
from tiltyard.errors import DataError
from tiltyard.files import make_folder, sync
from tiltyard.redact import without_password

METADATA_KEY = b"tiltyard"
# Rows are for their owner and group.
FOLDER_MODE = 0o770

# Stores where an upload that breaks off leaves nothing behind; elsewhere a file is written next to its place and moved.
_WHOLE_OR_NOTHING = OBJECT_STORES | {"memory"}


# In storage a file's time cannot be set: one that is used again after so long is written again.
RENEW = timedelta(days=1)


@dataclass(frozen=True)
class Entry:
    """A file of a snapshot store.

    Attributes:
        name: its name in its folder.
        bytes: its size.
        used_at: when it was written or renewed last, UTC.
    """

    name: str
    bytes: int
    used_at: datetime


class SnapshotStore(Protocol):
    """A place of Parquet files under relative names."""

    def uri(self, name: str) -> str:
        """Path or URL of a file."""

    def read_description(self, name: str) -> dict[str, Any] | None:
        """What was written about a file when it was made; None where there is none, or it is damaged."""

    def staging(self) -> str | None:
        """Folder of this machine to prepare files in; None for the usual temporary folder."""

    def put(self, file: Path, name: str) -> None:
        """Take a file over, replacing one of that name, whole or not at all."""

    def entries(self, folder: str) -> list[Entry]:
        """The Parquet files of a folder; none where there is no such folder."""

    def renew(self, name: str) -> bool:
        """Mark a file as used now; False where that takes writing it again."""

    def remove(self, name: str) -> None:
        """Take a file away; a missing one is a no-op."""


def open_snapshot_store(store: str | Path) -> SnapshotStore:
    """The snapshot store of a folder, or of the URL of one.

    Raises:
        DataError: the URL is of a kind that is not known, or a file is where the folder should be.
        MissingExtraError: an optional part of the installation is needed to reach it.
    """
    written = str(store)
    location = Location(written, written)
    if location.scheme in ("", "file"):
        folder = Path(written.removeprefix("file://")).absolute()
        if folder.exists() and not folder.is_dir():
            raise DataError(
                f"Snapshots cannot be kept in {folder}, which is a file.",
                next_step="Name a folder, or a URL such as s3://BUCKET/PREFIX.",
                code="data.store-unusable",
            )
        return FolderStore(folder)
    if location.scheme in SCHEMES:
        return RemoteStore(location)
    raise DataError(
        f"Snapshots cannot be kept in {written}.",
        next_step="Name a folder, or a URL such as s3://BUCKET/PREFIX.",
        code="data.store-unusable",
    )


class FolderStore:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def uri(self, name: str) -> str:
        """Absolute path of a file."""
        return str(self._folder / name)

    def read_description(self, name: str) -> dict[str, Any] | None:
        """What was written about a file; None where there is none, or it is damaged."""
        with self._usable():
            try:
                with (self._folder / name).open("rb") as stream:
                    return _read_description(stream)
            except FileNotFoundError:
                return None

    def staging(self) -> str | None:
        """The folder itself, so that a file moves into its place in one step."""
        with self._usable():
            make_folder(self._folder, FOLDER_MODE)
        return str(self._folder)

    def put(self, file: Path, name: str) -> None:
        """Move a file into its place, durably."""
        target = self._folder / name
        with self._usable():
            make_folder(target.parent, FOLDER_MODE)
            sync(file)
            file.replace(target)
            sync(target.parent)

    def entries(self, folder: str) -> list[Entry]:
        """The Parquet files of a folder; none where there is no such folder."""
        found = []
        with self._usable():
            for file in sorted((self._folder / folder).glob("*.parquet")):
                state = file.stat()
                found.append(Entry(file.name, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC)))
        return found

    def renew(self, name: str) -> bool:
        """Mark a file as used now. Of a folder that cannot be written nothing can be pruned either."""
        with suppress(OSError):
            os.utime(self._folder / name)
        return True

    def remove(self, name: str) -> None:
        """Take a file away; a missing one is a no-op."""
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise _removal_error(self.uri(name), error.strerror or str(error)) from None

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _unusable_error(self._folder, error) from None


class RemoteStore:
    """A place behind a URL."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._filesystem, self._path = open_storage(location)

    def uri(self, name: str) -> str:
        """URL of a file."""
        return f"{self._location.written.rstrip('/')}/{name}"

    def read_description(self, name: str) -> dict[str, Any] | None:
        """What was written about a file; None where there is none, or it is damaged."""
        with storage_error(self._location):
            try:
                with self._filesystem.open(self._inner(name), "rb") as stream:
                    return _read_description(stream)
            except FileNotFoundError:
                return None

    def staging(self) -> str | None:
        """The usual temporary folder."""
        return None

    def put(self, file: Path, name: str) -> None:
        """Upload a file, and see that all of it arrived."""
        target = self._inner(name)
        with storage_error(self._location):
            try:
                self._upload(str(file), target)
            except NotImplementedError:
                raise DataError(
                    f"{self._location.written} cannot be written.",
                    next_step="Name a folder, or a URL such as s3://BUCKET/PREFIX.",
                    code="data.store-unusable",
                ) from None
            arrived = self._filesystem.info(target).get("size")
        if arrived != file.stat().st_size:
            raise DataError(
                f"Of {file.stat().st_size:,} bytes {arrived:,} arrived at {self.uri(name)}.",
                next_step="Try again.",
                code="data.unreachable",
            )

    def entries(self, folder: str) -> list[Entry]:
        """The Parquet files of a folder; none where there is no such folder."""
        with storage_error(self._location):
            try:
                listed = self._filesystem.ls(self._inner(folder), detail=True)
            except FileNotFoundError:
                return []
            files = [entry for entry in listed if entry["type"] == "file" and str(entry["name"]).endswith(".parquet")]
            return [
                Entry(
                    str(entry["name"]).rpartition("/")[2],
                    int(entry["size"] or 0),
                    self._read_modification_time(entry["name"]),
                )
                for entry in sorted(files, key=lambda entry: str(entry["name"]))
            ]

    def renew(self, name: str) -> bool:
        """Whether a file was written so lately that it counts as used now."""
        with storage_error(self._location):
            return datetime.now(UTC) - self._read_modification_time(self._inner(name)) < RENEW

    def remove(self, name: str) -> None:
        """Take a file away; a missing one is a no-op."""
        with storage_error(self._location):
            try:
                self._filesystem.rm_file(self._inner(name))
            except FileNotFoundError:
                return
            except NotImplementedError:
                raise _removal_error(self.uri(name), "its kind of storage does not let one") from None

    def _read_modification_time(self, path: str) -> datetime:
        """When a file was written; now, where the storage does not tell: it is never old enough to go."""
        try:
            found: datetime = self._filesystem.modified(path)
        except NotImplementedError:
            return datetime.now(UTC)
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def _upload(self, file: str, target: str) -> None:
        if self._location.scheme in _WHOLE_OR_NOTHING:
            self._filesystem.put_file(file, target)
            return
        self._filesystem.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
        part = f"{target}.{uuid4().hex}.part"
        self._filesystem.put_file(file, part)
        self._filesystem.mv(part, target)

    def _inner(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"


@contextmanager
def stage_file(snapshot_store: SnapshotStore) -> Iterator[Path]:
    """A path to prepare a file at; whatever is left there afterwards is removed.

    Raises:
        DataError: nothing can be written or read there; said of each such failure in the block.
    """
    staging = snapshot_store.staging()
    try:
        # The rows are kept even where what is left here cannot be removed.
        with tempfile.TemporaryDirectory(prefix=".tiltyard-", dir=staging, ignore_cleanup_errors=True) as folder:
            yield Path(folder) / "rows.parquet"
    except OSError as error:
        raise _unusable_error(Path(staging or tempfile.gettempdir()), error) from None


def _unusable_error(folder: Path, error: OSError) -> DataError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    # Arrow puts the reason into a longer sentence.
    why = os.strerror(error.errno) if error.errno else str(error)
    return DataError(
        f"Snapshots cannot be kept in {folder}: {why}.",
        next_step="Make room, or choose another place with --to." if full else "Choose another with --to.",
        code="data.no-space" if full else "data.store-unusable",
    )


def _read_description(stream: IO[bytes]) -> dict[str, Any] | None:
    try:
        metadata = parquet.read_metadata(stream).metadata or {}
        about = json.loads(metadata.get(METADATA_KEY, b"{}"))
    except (ArrowException, ValueError):
        return None
    return about if isinstance(about, dict) else {}


def _removal_error(uri: str, why: str) -> DataError:
    return DataError(
        f"{without_password(uri)} cannot be removed: {why}.",
        next_step="Remove it with the tools of its store.",
        code="data.not-removed",
    )
