"""SQLAlchemy's engines over SQLite files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiltyard.errors import UsageError
from tiltyard.sqlite.connections import connect_by_name, empty_log, file_of_name, set_up
from tiltyard.sqlite.libraries import SqliteConnection, SqliteLibrary, default_library, python_library
from tiltyard.sqlite.openings import is_claimed, library_of

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine


def make_sqlite_engine(url: URL, *, own: bool, **options: Any) -> Engine:
    """An engine over the SQLite file of an SQLAlchemy URL, with the library that this file has to be opened with.

    Args:
        url: its query may hold options of SQLite's connections.
        own: whether the file is ours: then it gets a write-ahead log, and each commit is synced before it returns. A
            file of somebody else, of which we only read, keeps its form.
        options: of SQLAlchemy's ``create_engine``.

    Raises:
        UsageError: the file is our own, another package of this process opens it too, and that package's SQLite may
            damage a write-ahead log; or the file is open with another library than the one that it was claimed for.
    """
    from sqlalchemy import create_engine, event  # noqa: PLC0415 - takes long, and not all who open files need it

    library = _find_library(url)
    if own:
        _refuse_damage(url, library)
    engine = create_engine(url, module=library.module, **options)

    def connect(_dialect: object, _record: object, names: tuple[Any, ...], given: dict[str, Any]) -> SqliteConnection:
        return connect_by_name(library, names[0], given, copies_log=own)

    def make_durable(connection: SqliteConnection, _record: object) -> None:
        set_up(connection, "FULL", wal=True)

    event.listen(engine, "do_connect", connect)
    if own:
        event.listen(engine, "connect", make_durable)
    return engine


def fill_in_memory(fill: Callable[[Engine], None]) -> bytes | None:
    """The bytes of the file that a database has which a function fills in memory, with Python's SQLite.

    Args:
        fill: fills the empty database of an engine, all of whose connections are one.

    Returns:
        None, and nothing was called, where Python's SQLite cannot give them.
    """
    from sqlalchemy import create_engine  # noqa: PLC0415 - takes long, and not all who open files need it
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415 - likewise

    library = python_library()
    if not hasattr(library.module.Connection, "serialize"):
        return None
    engine = create_engine("sqlite://", module=library.module, poolclass=StaticPool)
    try:
        fill(engine)
        with engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            return bytes(raw.serialize())
    finally:
        engine.dispose()


def empty_engine_log(engine: Engine, timeout: float) -> bool:
    """See ``empty_log``, for the file of an engine."""
    file = file_of_engine_url(engine.url)
    return file is None or empty_log(file, timeout)


def open_outside_pool(engine: Engine, timeout: float) -> SqliteConnection:
    """A connection to the file of an ``own`` engine outside of its pool, in autocommit; the caller closes it.

    Args:
        engine: of ``make_sqlite_engine``.
        timeout: seconds to wait for a lock, unless the engine's URL says so itself.

    Raises:
        UnavailableError: the file cannot have a write-ahead log.
        sqlite3.Error: or the bundled library's, see ``SQLITE_ERRORS``: the file cannot be opened.
    """
    names, given = engine.dialect.create_connect_args(engine.url)
    options = {"timeout": timeout, **given, "isolation_level": None, "check_same_thread": False}
    connection = connect_by_name(_find_library(engine.url), names[0], options)
    try:
        set_up(connection, "FULL", wal=True)
    except BaseException:
        connection.close()
        raise
    return connection


def file_of_engine_url(url: URL) -> Path | None:
    """The SQLite file of an engine's URL; None for any other database."""
    if url.get_backend_name() != "sqlite":
        return None
    return file_of_name(url.database or "", uri=url.query.get("uri") is not None)


def _find_library(url: URL) -> SqliteLibrary:
    file = file_of_engine_url(url)
    return default_library() if file is None else library_of(file)


def _refuse_damage(url: URL, library: SqliteLibrary) -> None:
    file = file_of_engine_url(url)
    if file is None or library.resets_safely or not is_claimed(file):
        return
    raise UsageError(
        f"MLflow opens the file {file} too, with {library}, which can damage a file that several connections write.",
        next_step="Keep the ledger in a separate file: stop Tiltyard and MLflow, copy the file to ledger.db, and set "
        f"TILTYARD_LEDGER=sqlite:///{file.resolve().with_name('ledger.db')}",
        code="sqlite.shared-file",
    )
