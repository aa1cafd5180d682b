"""One SQL database: its connections, its transactions, and errors that say what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    create_engine,
    event,
    literal,
    literal_column,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tiltyard.errors import MissingExtraError, UnavailableError, UsageError
from tiltyard.files import make_folder
from tiltyard.ledger.sql.errors import describe_database_error
from tiltyard.ledger.storable import to_micros
from tiltyard.redact import without_password
from tiltyard.sqlite import (
    BUSY_SECONDS,
    SQLITE_ERRORS,
    SqliteConnection,
    empty_engine_log,
    file_of_engine_url,
    make_sqlite_engine,
    open_outside_pool,
)

# Microseconds since 1970. Not the time at which the transaction began: it may have waited for a row.
_POSTGRES_NOW = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
_SQLITE_NOW = "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"
_SETTING = re.compile(r"^(-c|--)")

_RAW_ERRORS: tuple[type[Exception], ...] = (*SQLITE_ERRORS, UnicodeEncodeError, OverflowError)
"""What a connection of SQLite raises; it refuses some values with errors of Python's own."""


class Database:
    """A database that is in use, SQLite or PostgreSQL. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.redacted_url = without_password(engine.url.render_as_string(hide_password=True))
        self._write_engine = engine.execution_options(tiltyard_writes=True)
        # SQLite's transactions always see one moment.
        self._snapshot_engine = (
            engine if self.is_sqlite else engine.execution_options(isolation_level="REPEATABLE READ")
        )
        file = file_of_engine_url(engine.url)
        self._file = None if file is None else file.absolute()
        self._identity: tuple[int, int] | None = None
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
            UnavailableError: the database cannot be reached or written; nothing was written. Or the file is gone.
        """
        with self._translate_errors(), self._turn, self._write_engine.begin() as connection:
            yield connection
        self.require_file()

    def require_file(self) -> None:
        """Make sure that what was committed is in the file of this name: SQLite writes on into one that was deleted.

        It costs a few microseconds.

        Raises:
            UnavailableError: an SQLite file that was in use was deleted, moved or replaced.
        """
        if self._file is None:
            return
        try:
            status = os.stat(self._file)  # noqa: PTH116 - Path.stat makes no difference, and costs more
            found = status.st_dev, status.st_ino
        except OSError:
            found = 0, 0
        if self._identity is None:
            self._identity = found
        elif found != self._identity:
            raise UnavailableError(
                f"The file of the ledger {self.redacted_url} was deleted, moved or replaced while it was in use; "
                "nothing can be recorded in it.",
                next_step="Restore it if you can, and start what uses it again: where there is no file, a new one is "
                "made.",
                code="ledger.gone",
            )

    @contextmanager
    def turn(self) -> Iterator[None]:
        """This thread's turn to write with its own connection; its errors say what to do.

        Raises:
            UnavailableError: what was tried in the block failed.
        """
        with self._turn:
            try:
                yield
            except _RAW_ERRORS as error:
                raise describe_database_error(error, self.redacted_url) from error

    def raw_sqlite(self) -> SqliteConnection:
        """A new connection to the SQLite file, outside of the pool, in autocommit; the caller closes it.

        Raises:
            UnavailableError: the file cannot be opened.
        """
        try:
            return open_outside_pool(self.engine, BUSY_SECONDS)
        except SQLITE_ERRORS as error:
            raise describe_database_error(error, self.redacted_url) from error

    def empty_log(self) -> bool:
        """Write an SQLite file's log into the file and empty it; False while another connection still reads it.

        Raises:
            UnavailableError: the file cannot be opened or written.
        """
        if not self.is_sqlite:
            return True
        try:
            return empty_engine_log(self.engine, BUSY_SECONDS)
        except SQLITE_ERRORS as error:
            raise describe_database_error(error, self.redacted_url) from error

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
        except (DBAPIError, UnicodeEncodeError, OverflowError) as error:
            raise describe_database_error(error, self.redacted_url) from error


class DatabaseTime:
    """What keeps times by the database's clock: the server's, or for SQLite the one of the host of its file.

    Attributes:
        clock: another clock instead, for tests and simulations; None for the database's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.clock: Callable[[], datetime] | None = None

    def _now(self) -> ColumnElement[int]:
        """The present in microseconds since 1970, for a statement."""
        if self.clock is not None:
            return literal(to_micros(self.clock()))
        return literal_column(_SQLITE_NOW if self._database.is_sqlite else _POSTGRES_NOW)

    def _read_clock(self, connection: Connection) -> int:
        return int(connection.execute(select(self._now())).scalar_one())


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
        make_folder(folder)
    except OSError as error:
        raise UnavailableError(
            f"The ledger's folder {folder} cannot be made: {error.strerror}.",
            next_step="Choose another place with TILTYARD_LEDGER or TILTYARD_HOME.",
            code="ledger.away",
        ) from None
    arguments = {} if "timeout" in url.query else {"timeout": BUSY_SECONDS}
    # Without isolation_level, sqlite3 leaves transactions to us.
    engine = make_sqlite_engine(url, own=True, connect_args={**arguments, "isolation_level": None})
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that means to write takes the lock at once: one that took it later could not wait for it.
    writes = connection.get_execution_options().get("tiltyard_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgres_engine(url: URL) -> Engine:
    """An engine that works through a pooler in transaction mode, such as PgBouncer, too.

    There the next transaction may be on another connection of the server: a statement that was prepared is not known
    there, or another one has its name; and a setting of the session is gone, or somebody else's.
    """
    url, settings = split_settings(url)
    arguments: dict[str, Any] = {"prepare_threshold": None}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = int(BUSY_SECONDS)
    try:
        engine = create_engine(url, connect_args=arguments, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise MissingExtraError("A ledger in PostgreSQL", "postgres") from None
    if settings:
        event.listen(engine, "begin", partial(_set_for_transaction, settings))
    return engine


def split_settings(url: URL) -> tuple[URL, dict[str, str]]:
    """Settings that a PostgreSQL URL has in ``options``, as ``-c search_path=NAME``, and the URL without them.

    They are made in each transaction, where a pooler that does not know them cannot lose them.
    """
    options = url.query.get("options")
    if not isinstance(options, str):
        return url, {}
    # As the server reads it: white space separates, and a backslash takes the next character as it is.
    words = iter([re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|\S)+", options)])
    settings: dict[str, str] = {}
    others: list[str] = []
    for word in words:
        given = _SETTING.sub("", next(words, "") if word == "-c" else word)
        name, equals, value = given.partition("=")
        if equals and (word == "-c" or given != word):
            settings[name.replace("-", "_")] = value
        else:
            others.append(word)
    left = url.difference_update_query(["options"])
    return (left.update_query_dict({"options": " ".join(others)}) if others else left), settings


def _set_for_transaction(settings: Mapping[str, str], connection: Connection) -> None:
    for name, value in settings.items():
        connection.exec_driver_sql("SELECT set_config(%s, %s, true)", (name, value))
