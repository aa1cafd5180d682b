"""What a backup says of itself: its files with their digests, the rows of its ledger, and what it does not hold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tiltyard.errors import UsageError
from tiltyard.files import write_atomically
from tiltyard.sqlite import SQLITE_ERRORS

Progress = Callable[[str], None]
"""Gets each file before it is copied or compared."""
UNUSABLE: tuple[type[Exception], ...] = (OSError, *SQLITE_ERRORS)
"""What a disk or a database raises that cannot be read or written."""
MANIFEST = "backup.json"
STATE = "state"
"""Folder of a backup with what the state folder held."""
LEDGER = "ledger.db"
"""The ledger of a backup, where it is not a file of the state folder."""
KEYS = "api-keys.json"
"""The file of API keys, where it is not in the state folder."""
SNAPSHOTS = "snapshots"
"""Folder of the rows that trainings saw, where it is not in the state folder."""
ENVIRONMENT = "environment"
"""The file ``.env``."""


class BackedUpFile(BaseModel):
    """A file of a backup.

    Attributes:
        path: relative to the backup.
        size: in bytes.
        sha256: of its content, in hexadecimal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int
    sha256: str


class BackupManifest(BaseModel):
    """What a backup holds.

    Attributes:
        format: of the backup.
        build: the version of Tiltyard that made it.
        at: when it began.
        project: name of the project.
        ledger: path of the file with the ledger.
        rows: the number of rows of each of the ledger's tables.
        files: all files but this one.
        elsewhere: sentences on what belongs to the project and is not in the backup.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    build: str
    at: datetime
    project: str
    ledger: str
    rows: dict[str, int]
    files: tuple[BackedUpFile, ...]
    elsewhere: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def write(self, folder: Path) -> None:
        """Write it into the folder of its backup."""
        write_atomically(folder / MANIFEST, self.model_dump_json(indent=1) + "\n", owner_only=True)


def read_manifest(folder: Path) -> BackupManifest:
    """The manifest of a backup.

    Raises:
        UsageError: the folder holds no backup, or one that this build cannot read.
    """
    try:
        return BackupManifest.model_validate_json((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise UsageError(
            f"{folder} holds no backup: {MANIFEST} in it cannot be read ({error.strerror or error}).",
            next_step="Name a folder that tiltyard backup has made.",
            code="backup.none",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(
            f"{folder / MANIFEST} cannot be used: {place}: {first['msg']}.",
            next_step="Use the version of Tiltyard that made the backup, or another backup.",
            code="backup.unreadable",
        ) from None


def describe_file(folder: Path, path: Path) -> BackedUpFile:
    """A file of a backup as its manifest names it.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return BackedUpFile(path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=digest.hexdigest())
