"""Copying a write-ahead log into its file.

SQLite does that by itself after a commit. From 3.7.0 to 3.51.2 a checkpoint reads how long the log is, and does not
notice when a writer starts the log anew before it has looked at how much of it was copied: then it takes new pages for
old ones, and a transaction is lost or the file damaged (SQLite, "Write-Ahead Logging", section 11). Where only such a
library is there, our connections make no checkpoint by themselves. One is made here after a commit, while a second
connection holds the lock of the writer, so that nobody starts the log anew meanwhile, in this process or another.

The checkpoint of the last connection that closes is safe as it is: it holds the whole file.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Lock

from tiltyard.sqlite.libraries import SQLITE_ERRORS, SqliteConnection

MOST_LOG = 4 * 1024 * 1024
"""Bytes of a log that are copied into its file: SQLite's own limit, 1000 pages."""

OpenPlain = Callable[[float], SqliteConnection]
"""Opens one more connection to the file, which makes no checkpoint by itself; takes seconds to wait for a lock."""


class LogCopier:
    """Makes the checkpoints of the files that are open with a library whose own ones are not safe.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._sizes: dict[Path, int] = {}

    def checkpoint_when_due(self, file: Path, open_plain: OpenPlain) -> None:
        """Copy the log of a file where it has grown by ``MOST_LOG`` since the last time; else return at once.

        It is tried again later where another connection writes now. What goes wrong is not the caller's failure: its
        commit is in the log, and stays there.
        """
        size = measure_log(file)
        with self._lock:
            # A log that is shorter than it was has been started anew.
            before = min(self._sizes.get(file, 0), size)
            self._sizes[file] = before if size < before + MOST_LOG else size
        if size < before + MOST_LOG:
            return
        copied = False
        with contextlib.suppress(*SQLITE_ERRORS):
            copied = checkpoint_alone(open_plain)
        if not copied:
            with self._lock:
                self._sizes[file] = before


def measure_log(file: Path) -> int:
    """Bytes of a file's log; 0 where there is none."""
    try:
        return file.with_name(f"{file.name}-wal").stat().st_size
    except OSError:
        return 0


def checkpoint_alone(open_plain: OpenPlain, patience: float = 1.0) -> bool:
    """Copy a log into its file while nobody writes; readers are not held up.

    Args:
        open_plain: opens a connection.
        patience: seconds to wait for the lock of the writer.

    Returns:
        Whether all of the log was copied.
    """
    with closing(open_plain(patience)) as writer, closing(open_plain(patience)) as copier:
        writer.execute("BEGIN IMMEDIATE")
        try:
            busy, frames, copied = copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            writer.execute("ROLLBACK")
    return not busy and frames == copied


def start_log_anew(open_plain: OpenPlain, file: Path, patience: float) -> bool:
    """Copy a log into its file and cut it off, so that nothing of what it held is left in it.

    For a library whose own way to do so, ``wal_checkpoint(TRUNCATE)``, is not safe: it falls back to a checkpoint that
    lets others write. Here a commit starts the log anew, as the first one does after all of a log was copied and when
    nobody reads of it, and ``journal_size_limit`` has it cut the rest off.

    Args:
        open_plain: opens a connection.
        file: the file.
        patience: seconds to wait for others who write or read.

    Returns:
        Whether it was cut off.
    """
    deadline = time.monotonic() + patience
    while True:
        before = _read_head(file)
        if checkpoint_alone(open_plain, patience):
            with closing(open_plain(patience)) as writer:
                writer.execute("PRAGMA journal_size_limit=0")
                version = writer.execute("PRAGMA user_version").fetchone()[0]
                # The same number again: a commit that changes nothing.
                writer.execute(f"PRAGMA user_version={version}")
            head = _read_head(file)
            if not head or head != before:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)


def _read_head(file: Path) -> bytes:
    """The head of a file's log, which has other numbers (salts) whenever the log is started anew.

    Only the log may be read besides SQLite: closing the file itself would drop the locks of this process on it.
    """
    try:
        with file.with_name(f"{file.name}-wal").open("rb") as log:
            return log.read(32)
    except OSError:
        return b""
