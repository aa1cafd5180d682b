"""One SQL database: its connections, its transactions, and errors that say what to do."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import RLock
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tiltyard.errors import InputError, MissingExtraError, TiltyardError, UnavailableError, UsageError

BUSY_SECONDS = 5.0
"""How long to wait for another process's transaction, or for a server to accept a connection."""


class Database:
    """A database that is in use, SQLite or PostgreSQL. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.redacted_url = engine.url.render_as_string(hide_password=True)
        self._write_engine = engine.execution_options(tiltyard_writes=True)
        # SQLite's transactions always see one moment.
        self._snapshot_engine = (
            engine if self.is_sqlite else engine.execution_options(isolation_level="REPEATABLE READ")
        )
        # SQLite takes one writer at a time: our own threads queue here instead of polling its lock.
        self._turn: AbstractContextManager[object] = RLock() if self.is_sqlite else nullcontext()

    @classmethod
    def connect(cls, url: str) -> Database:
        """Prepare to use the database at an SQLAlchemy URL; an SQLite file's folder is made.

        Raises:
            UsageError: the URL cannot be understood, or names a database that is not supported.
            MissingExtraError: the driver is not installed.
            UnavailableError: the folder cannot be made.
        """
        parsed = _parse_url(url)
        if parsed.get_backend_name() == "sqlite":
            return cls(_sqlite_engine(parsed))
        return cls(_postgres_engine(parsed))

    @property
    def is_sqlite(self) -> bool:
        """Whether this is an SQLite file; else it is PostgreSQL."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self, *, snapshot: bool = False) -> Iterator[Connection]:
        """A transaction that reads; with ``snapshot``, all its statements see the same moment.

        Raises:
            UnavailableError: the database cannot be reached or read.
        """
        engine = self._snapshot_engine if snapshot else self.engine
        with self._translate_errors(), engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; durable once the block is left.

        Raises:
            UnavailableError: the database cannot be reached or written; nothing was written.
        """
        with self._translate_errors(), self._turn, self._write_engine.begin() as connection:
            yield connection

    @contextmanager
    def turn(self) -> Iterator[None]:
        """This thread's turn to write with its own connection; its errors say what to do.

        Raises:
            UnavailableError: what was tried in the block failed.
        """
        with self._turn:
            try:
                yield
            except sqlite3.Error as error:
                raise _describe_trouble(error, self.redacted_url) from error

    def raw_sqlite(self) -> sqlite3.Connection:
        """A new connection to the SQLite file, outside of the pool, in autocommit; the caller closes it.

        Raises:
            UnavailableError: the file cannot be opened.
        """
        arguments, parsed = self.engine.dialect.create_connect_args(self.engine.url)
        options: dict[str, Any] = {"timeout": BUSY_SECONDS, **parsed}
        options |= {"isolation_level": None, "check_same_thread": False}
        try:
            connection: sqlite3.Connection = sqlite3.connect(arguments[0], **options)
            _set_up_sqlite(connection, None)
        except sqlite3.Error as error:
            raise _describe_trouble(error, self.redacted_url) from error
        return connection

    def close(self) -> None:
        """Close all connections that are idle."""
        self.engine.dispose()

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError as error:
            raise UnavailableError(
                f"The ledger {self.redacted_url} has no connection free.",
                next_step="Try again later, or use it from fewer threads.",
                code="ledger.busy",
            ) from error
        except DBAPIError as error:
            raise _describe_trouble(error, self.redacted_url) from error


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except ArgumentError:
        raise UsageError(
            "The ledger's URL cannot be understood.",
            next_step="Set TILTYARD_LEDGER to sqlite:////path/to/ledger.db or postgresql://user@host/database.",
        ) from None
    if backend == "postgres":
        backend = "postgresql"
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if backend == "postgresql":
        plain = parsed.drivername in ("postgres", "postgresql")
        return parsed.set(drivername="postgresql+psycopg") if plain else parsed
    kept = "an SQLite database in memory" if backend == "sqlite" else f"a database of the kind {backend!r}"
    raise UsageError(
        f"A ledger cannot be kept in {kept}.",
        next_step="Set TILTYARD_LEDGER to sqlite:////path/to/ledger.db or postgresql://user@host/database.",
    )


def _sqlite_engine(url: URL) -> Engine:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(
            f"The ledger's folder {folder} cannot be made: {error.strerror}.",
            next_step="Choose another place with TILTYARD_LEDGER or TILTYARD_HOME.",
            code="ledger.away",
        ) from None
    arguments = {} if "timeout" in url.query else {"timeout": BUSY_SECONDS}
    # Without isolation_level, sqlite3 leaves transactions to us.
    engine = create_engine(url, connect_args={**arguments, "isolation_level": None})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # WAL lets readers and the writer work at the same time; FULL syncs every commit before it returns.
    connection.execute("PRAGMA synchronous=FULL")
    # The file remembers WAL. Turning it on takes the whole file, and SQLite does not wait for that itself.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise UnavailableError(
            f"SQLite cannot keep a write-ahead log here (it says '{mode}').",
            next_step="Keep the ledger on a local disk, or in PostgreSQL, with TILTYARD_LEDGER.",
            code="ledger.away",
        )


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that means to write takes the lock at once: one that took it later could not wait for it.
    writes = connection.get_execution_options().get("tiltyard_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgres_engine(url: URL) -> Engine:
    arguments = {} if "connect_timeout" in url.query else {"connect_timeout": int(BUSY_SECONDS)}
    try:
        return create_engine(url, connect_args=arguments, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise MissingExtraError("A ledger in PostgreSQL", "postgres") from None


_TROUBLES = (
    (("is locked", "deadlock detected", "lock timeout"), "ledger.busy", "is in use by another process for too long",
     "Try again; if it lasts, find the process that holds a transaction open."),
    (("disk is full", "no space left"), "ledger.full", "has no room left", "Free some disk space."),
    (("malformed", "not a database"), "ledger.damaged", "is damaged",
     "Move the file away and restore it from a copy; what can be read is saved by: sqlite3 FILE .recover"),
    (("readonly", "read-only", "permission denied"), "ledger.read-only", "may not be written",
     "Give this user the right to write there, or choose another place with TILTYARD_LEDGER."),
    (("no such table", "no such column", "does not exist"), "ledger.damaged", "lacks a table, a column or itself",
     "Check that TILTYARD_LEDGER names the right database, or restore it from a copy."),
)  # fmt: skip


def _describe_trouble(error: Exception, redacted_url: str) -> TiltyardError:
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    first_line = text.partition("\n")[0]
    for signs, code, trouble, next_step in _TROUBLES:
        if any(sign in text.lower() for sign in signs):
            return UnavailableError(
                f"The ledger {redacted_url} {trouble}: {first_line}.", next_step=next_step, code=code
            )
    if type(error).__name__ == "DataError":
        return InputError(
            f"The ledger refused a value: {first_line}.", next_step="Correct the value; nothing was stored."
        )
    return UnavailableError(
        f"The ledger {redacted_url} cannot be reached or used: {first_line}.",
        next_step="Check that the database runs and that TILTYARD_LEDGER names it.",
        code="ledger.away",
    )
