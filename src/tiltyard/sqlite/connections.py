"""Connections to SQLite files that lose nothing which they acknowledged."""

from __future__ import annotations

import sqlite3
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from tiltyard.errors import UnavailableError
from tiltyard.sqlite.libraries import BUSY, LOCKED, SQLITE_ERRORS, SqliteLibrary
from tiltyard.sqlite.openings import connect_and_note, forget_opening, library_of

BUSY_SECONDS = 5.0
"""How long to wait for another process's transaction."""

SqliteConnection = sqlite3.Connection
"""The form of a connection, for annotations alone: at run time, one of the bundled library has another class."""

Synchronous = Literal["FULL", "NORMAL"]


def open_sqlite(
    file: Path,
    *,
    synchronous: Synchronous = "FULL",
    wal: bool = False,
    timeout: float = BUSY_SECONDS,
    check_same_thread: bool = True,
) -> SqliteConnection:
    """A connection in autocommit to a file, which is made where there is none; the caller closes it.

    Args:
        file: the file; its folder has to be there.
        synchronous: ``FULL`` syncs each commit before it returns; ``NORMAL``, for what may be forgotten in a power cut
            but not damaged, syncs checkpoints alone.
        wal: whether to turn the write-ahead log on, as for files that we make; else the file stays as it is.
        timeout: seconds to wait for a lock.
        check_same_thread: whether only the thread that opened it may use it.

    Raises:
        UsageError: another library has to open this file in this process.
        UnavailableError: the file cannot have a write-ahead log.
        sqlite3.Error: or the bundled library's, see ``SQLITE_ERRORS``: the file cannot be opened.
    """
    options = {"timeout": timeout, "isolation_level": None, "check_same_thread": check_same_thread}
    connection = connect_by_name(library_of(file), str(file), options)
    return _set_up_or_close(connection, synchronous, wal=wal)


def open_read_only(file: Path, *, timeout: float = 1.0) -> SqliteConnection:
    """A connection that reads a file, which has to be there; the caller closes it.

    Args:
        file: the file.
        timeout: seconds to wait for a lock.

    Raises:
        UsageError: another library has to open this file in this process.
        sqlite3.Error: or the bundled library's, see ``SQLITE_ERRORS``: the file cannot be opened.
    """
    options = {"timeout": timeout, "isolation_level": None, "uri": True}
    connection = connect_by_name(library_of(file), f"{file.absolute().as_uri()}?mode=ro", options)
    return _set_up_or_close(connection, "FULL", wal=False)


def connect_by_name(library: SqliteLibrary, name: str, options: dict[str, Any]) -> SqliteConnection:
    """A connection by the name that SQLite is given, without any settings."""
    options = {**options, "factory": _connection_class(library)}
    file = file_of_name(name, uri=bool(options.get("uri")))
    if file is None:
        connection: SqliteConnection = library.module.connect(name, **options)
        return connection
    made: SqliteConnection = connect_and_note(file, library, name, options)
    return made


def file_of_name(name: str, *, uri: bool) -> Path | None:
    """The file that a name of SQLite's means; None for a database in memory."""
    if uri and name.startswith("file:"):
        address = urlsplit(name)
        if "mode=memory" in address.query.split("&"):
            return None
        name = unquote(address.path)
    return None if name in ("", ":memory:") else Path(name)


def set_up(connection: SqliteConnection, synchronous: Synchronous, *, wal: bool) -> None:
    """Make a connection durable.

    Raises:
        UnavailableError: the file cannot have a write-ahead log.
    """
    # Rules the log's checkpoints too: with OFF, a power cut after one loses all that it copied.
    connection.execute(f"PRAGMA synchronous={synchronous}")
    if sys.platform == "darwin":
        # There fsync leaves the data in the cache of the drive.
        connection.execute("PRAGMA fullfsync=ON")
        connection.execute("PRAGMA checkpoint_fullfsync=ON")
    if wal:
        _turn_on_log(connection)


def is_locked_error(error: BaseException) -> bool:
    """Whether SQLite failed because another connection holds a lock."""
    code = getattr(error, "sqlite_errorcode", None)
    # The low byte of an extended code is the primary one.
    return code is not None and int(code) & 0xFF in (BUSY, LOCKED)


def _set_up_or_close(connection: SqliteConnection, synchronous: Synchronous, *, wal: bool) -> SqliteConnection:
    try:
        set_up(connection, synchronous, wal=wal)
    except BaseException:
        connection.close()
        raise
    return connection


def _turn_on_log(connection: SqliteConnection) -> None:
    # The file remembers its log. Turning it on takes the whole file, and SQLite does not wait for that itself.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            break
        except SQLITE_ERRORS as error:
            if not is_locked_error(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise UnavailableError(
            f"SQLite cannot keep a write-ahead log here (it says '{mode}').",
            next_step="Keep the ledger on a local disk, or in PostgreSQL, with TILTYARD_LEDGER.",
            code="ledger.away",
        )


@cache
def _connection_class(library: SqliteLibrary) -> type:
    base: Any = library.module.Connection

    def close(connection: Any) -> None:
        base.close(connection)
        forget_opening(connection)

    return type("NotedConnection", (base,), {"close": close, "__doc__": "A connection that is noted while it is open."})
