"""Copies of SQLite files that are in use."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tiltyard.files import sync
from tiltyard.sqlite.connections import BUSY_SECONDS, open_read_only
from tiltyard.sqlite.openings import library_of

_MAGIC = b"SQLite format 3\0"
PATIENCE = 12 * BUSY_SECONDS
"""Seconds to wait for another process's transaction."""


def is_sqlite_file(file: Path) -> bool:
    """Whether a file holds an SQLite database.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def copy_database(source: Path, target: Path) -> None:
    """Copy what an SQLite file and its log hold at one moment into a new file without a log, and sync it.

    Others may read and write the source meanwhile.

    Args:
        source: the file.
        target: the copy; must not exist.

    Raises:
        UsageError: another library has to open the source in this process.
        sqlite3.Error: or the bundled library's, see ``SQLITE_ERRORS``: the source cannot be read, is damaged, or the
            target cannot be written.
    """
    library = library_of(source)
    with (
        closing(open_read_only(source, timeout=PATIENCE)) as reading,
        closing(library.module.connect(str(target))) as writing,
    ):
        reading.backup(writing, pages=-1)
        writing.execute("PRAGMA journal_mode = DELETE")
        found = writing.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise library.module.DatabaseError(f"{source} is damaged: {found}")
    sync(target)
