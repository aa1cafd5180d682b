"""Connections to SQLite files that lose nothing which they acknowledged."""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from tiltyard.errors import UnavailableError
from tiltyard.files import sync
from tiltyard.sqlite.checkpoints import LogCopier, start_log_anew
from tiltyard.sqlite.libraries import BUSY, LOCKED, SQLITE_ERRORS, SqliteConnection, SqliteLibrary
from tiltyard.sqlite.openings import connect_and_note, forget_opening, library_of, noted_file

MODE = 0o660
BUSY_SECONDS = 5.0
"""How long to wait for another process's transaction."""

Synchronous = Literal["FULL", "NORMAL"]

_copier = LogCopier()


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
        UnavailableError: the file cannot have a write-ahead log, or its folder cannot be synced.
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
    connection = connect_by_name(library_of(file), f"{file.absolute().as_uri()}?mode=ro", options, copies_log=False)
    return _set_up_or_close(connection, "FULL", wal=False)


def empty_log(file: Path, timeout: float = BUSY_SECONDS) -> bool:
    """Write the log of a file into it and empty the log, so that nothing which was erased can be read there.

    Args:
        file: the file.
        timeout: seconds to wait for others who read or write.

    Returns:
        Whether it was emptied; False while another connection reads what is in it, or writes.

    Raises:
        UsageError: another library has to open this file in this process.
        sqlite3.Error: or the bundled library's, see ``SQLITE_ERRORS``: the file cannot be opened or written.
    """
    library = library_of(file)
    if not library.resets_safely:
        return start_log_anew(partial(_open_plain, library, file), file, timeout)
    with closing(open_sqlite(file, timeout=timeout)) as connection:
        return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]


def connect_by_name(
    library: SqliteLibrary, name: str, options: dict[str, Any], *, copies_log: bool = True
) -> SqliteConnection:
    """A connection by the name that SQLite is given, without any settings.

    Args:
        library: with which it is made.
        name: of the file, or a URI.
        options: of the library's own ``connect``.
        copies_log: whether it copies the log into the file now and then, where SQLite itself must not.
    """
    options = {**options, "factory": _connection_class(library, copies_log=copies_log)}
    file = file_of_name(name, uri=bool(options.get("uri")))
    if file is None:
        connection: SqliteConnection = library.module.connect(name, **options)
        return connection
    if not options.get("uri"):
        _make_for_owner(file)
    made: SqliteConnection = connect_and_note(file, library, name, options)
    return made


def _make_for_owner(file: Path) -> None:
    """Make a file that is missing, for its owner and group: SQLite would make one that everybody reads.

    Its log and the memory that its users share get the same mode from SQLite.
    """
    with suppress(OSError):  # it is there; or SQLite says what is wrong
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE))


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
        UnavailableError: the file cannot have a write-ahead log, or its folder cannot be synced.
    """
    # Rules the log's checkpoints too: with OFF, a power cut after one loses all that it copied.
    connection.execute(f"PRAGMA synchronous={synchronous}")
    # On macOS a plain fsync leaves the data in the cache of the drive; elsewhere these change nothing.
    connection.execute("PRAGMA fullfsync=ON")
    connection.execute("PRAGMA checkpoint_fullfsync=ON")
    if not getattr(connection, "resets_safely", True):
        # See the checkpoints of such a library. A log that is started anew is cut off: its size tells how much it has.
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA journal_size_limit=0")
    if wal:
        _turn_on_log(connection)
        if synchronous == "FULL":
            _keep_names(connection)


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


def _keep_names(connection: SqliteConnection) -> None:
    """Sync the folder that names the file and its log, which is there once the mode was read.

    SQLite syncs it once for a new log, and passes over an error of that: what is committed to a log without a lasting
    name is gone after a power cut.
    """
    file = noted_file(connection)
    if file is None:
        return
    try:
        with suppress(PermissionError):  # a folder that we cannot read is not ours
            sync(file.parent)
    except OSError as error:
        raise UnavailableError(
            f"The folder {file.parent} of {file.name} cannot be synced: {error.strerror}.",
            next_step="Check the disk; nothing was written.",
            code="ledger.away",
        ) from error


def _open_plain(library: SqliteLibrary, file: Path, timeout: float) -> SqliteConnection:
    options = {"timeout": timeout, "isolation_level": None}
    connection = connect_by_name(library, str(file), options, copies_log=False)
    return _set_up_or_close(connection, "FULL", wal=False)


@cache
def _connection_class(library: SqliteLibrary, *, copies_log: bool) -> type:
    base: Any = library.module.Connection

    def close(connection: Any) -> None:
        base.close(connection)
        forget_opening(connection)

    members: dict[str, Any] = {"close": close, "resets_safely": library.resets_safely}
    if copies_log and not library.resets_safely:
        members |= _log_copying_methods(base, library)
    return type("NotedConnection", (base,), {**members, "__doc__": "A connection that is noted while it is open."})


def _log_copying_methods(base: Any, library: SqliteLibrary) -> dict[str, Any]:
    """The methods that commit, or may: after them the log is copied into the file where it has become long."""

    def copy_log(connection: Any) -> None:
        file = noted_file(connection)
        if file is not None and not connection.in_transaction:
            _copier.checkpoint_when_due(file, partial(_open_plain, library, file))

    def execute(connection: Any, *arguments: Any) -> Any:
        cursor = base.execute(connection, *arguments)
        copy_log(connection)
        return cursor

    def commit(connection: Any) -> None:
        base.commit(connection)
        copy_log(connection)

    return {"execute": execute, "commit": commit}
