"""SQLAlchemy's engines over SQLite files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiltyard.sqlite.connections import SqliteConnection, connect_by_name, file_of_name, set_up
from tiltyard.sqlite.libraries import SqliteLibrary, default_library
from tiltyard.sqlite.openings import library_of

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine


def make_sqlite_engine(url: URL, *, own: bool, **options: Any) -> Engine:
    """An engine over the SQLite file of an SQLAlchemy URL, with the library that this file has to be opened with.

    Args:
        url: its query may hold options of SQLite's connections.
        own: whether the file is ours: then it gets a write-ahead log, and each commit is synced before it returns. A
            file of somebody else, of which we only read, keeps its form.
        options: of SQLAlchemy's ``create_engine``.
    """
    from sqlalchemy import create_engine, event  # noqa: PLC0415 - takes long, and not all who open files need it

    library = _find_library(url)
    engine = create_engine(url, module=library.module, **options)

    def connect(_dialect: object, _record: object, names: tuple[Any, ...], given: dict[str, Any]) -> SqliteConnection:
        return connect_by_name(library, names[0], given)

    def make_durable(connection: SqliteConnection, _record: object) -> None:
        set_up(connection, "FULL", wal=True)

    event.listen(engine, "do_connect", connect)
    if own:
        event.listen(engine, "connect", make_durable)
    return engine


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


def _find_library(url: URL) -> SqliteLibrary:
    file = file_of_name(url.database or "", uri=url.query.get("uri") is not None)
    return default_library() if file is None else library_of(file)
