"""Rows from a database: any that SQLAlchemy knows, by a query or a whole table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Engine,
    Executable,
    FromClause,
    NullPool,
    create_engine,
    func,
    inspect,
    literal_column,
    make_url,
    select,
    text,
)
from sqlalchemy import table as named_table
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from tiltyard.data.sources.formats import build_frame
from tiltyard.data.sources.location import Location, resolve_location
from tiltyard.data.sources.memory import PEAK_OF_OBJECTS, MemoryBudget
from tiltyard.errors import DataError, MissingExtraError
from tiltyard.formatting import format_count
from tiltyard.project import DataSection
from tiltyard.sqlite import make_sqlite_engine
from tiltyard.suggest import nearest

CONNECT_SECONDS = 10
ROWS_AT_ONCE = 2000
TAKES_CONNECT_TIMEOUT = ("postgresql", "mysql", "mariadb")


def read_database(location: Location, section: DataSection, root: Path, budget: MemoryBudget) -> pd.DataFrame:
    """The rows of ``data.query`` or ``data.table``. Nothing is ever committed.

    Raises:
        DataError: neither or both are named, the database cannot be reached, the query fails, or the rows are more
            than memory holds.
        MissingExtraError: the driver of PostgreSQL is not installed.
    """
    _require_one_question(section)
    engine = open_engine(location, root)
    try:
        with _connection_errors(engine, location) as connection:
            return _read_rows(connection, section, location, budget)
    finally:
        engine.dispose()


def read_database_parts(section: DataSection, root: Path, rows: int) -> Iterator[pd.DataFrame]:
    """The rows of ``data.query`` or ``data.table`` as frames of at most so many rows, in one transaction.

    Raises:
        DataError, MissingExtraError: as of ``read_database``.
    """
    location = resolve_location(section.source, root)
    _require_one_question(section)
    engine = open_engine(location, root)
    try:
        with _connection_errors(engine, location) as connection, _query_errors(connection, section, location):
            result, names = _run_query(connection, section)
            columns: dict[str, list[object]] = {name: [] for name in names}
            count = 0
            for part in result.partitions(min(ROWS_AT_ONCE, rows)):
                for values, more in zip(columns.values(), zip(*part, strict=True), strict=True):
                    values.extend(more)
                count += len(part)
                if count + min(ROWS_AT_ONCE, rows) > rows:
                    yield build_frame(columns)
                    columns, count = {name: [] for name in names}, 0
            if count:
                yield build_frame(columns)
    finally:
        engine.dispose()


def count_database_rows(section: DataSection, root: Path) -> int:
    """How many rows ``data.query`` or ``data.table`` gives, counted by the database.

    Raises:
        DataError, MissingExtraError: as of ``read_database``.
    """
    location = resolve_location(section.source, root)
    _require_one_question(section)
    engine = open_engine(location, root)
    try:
        with _connection_errors(engine, location) as connection, _query_errors(connection, section, location):
            counted = select(func.count()).select_from(_build_subquery(section))
            return int(connection.execute(counted).scalar_one())
    finally:
        engine.dispose()


def _build_subquery(section: DataSection) -> FromClause:
    if section.query is not None:
        return text(_escape_colons(section.query.rstrip().rstrip(";"))).columns().subquery("counted")
    schema, _, name = (section.table or "").rpartition(".")
    return named_table(name, schema=schema or None)


def _require_one_question(section: DataSection) -> None:
    if (section.query is None) == (section.table is None):
        named = "neither a query nor a table" if section.query is None else "both a query and a table"
        raise DataError(
            f"The source is a database, and {named} is named.",
            next_step='Say which rows: table = "reviews" or query = "SELECT … FROM …" in the project file; of '
            "`tiltyard score`, --table or --query.",
            code="data.query-missing",
        )


def open_engine(location: Location, root: Path, *, must_exist: bool = True) -> Engine:
    """The engine of a database, whose connections are not kept.

    Args:
        location: its URL.
        root: folder that a relative SQLite file starts from.
        must_exist: whether an SQLite file that is missing is refused; else it is made when it is first written.

    Raises:
        DataError: the URL cannot be understood, or names a database that is not known here.
        MissingExtraError: the driver of PostgreSQL is not installed.
    """
    url = _parse_url(location, root, must_exist=must_exist)
    backend = url.get_backend_name()
    limits: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS} if backend in TAKES_CONNECT_TIMEOUT else {}
    if url.drivername == "postgresql+psycopg":
        # Behind a pooler in transaction mode a prepared statement may be another connection's.
        limits["prepare_threshold"] = None
    try:
        if url.drivername in ("sqlite", "sqlite+pysqlite"):
            return make_sqlite_engine(url, own=False, poolclass=NullPool)
        return create_engine(url, connect_args=limits, poolclass=NullPool)
    except NoSuchModuleError:
        raise DataError(
            f"{location.hide(url.drivername)}:// is neither a place of files nor a database that is known here.",
            next_step="Use a path, s3://, https://, sqlite:///FILE or postgresql://…, or install the dialect.",
            code="data.source-unknown",
        ) from None
    except ImportError as error:
        if backend == "postgresql" and (getattr(error, "name", None) or "").startswith("psycopg"):
            raise MissingExtraError("Reading from PostgreSQL", "postgres") from None
        raise DataError(
            f"Reading from {url.drivername} needs a Python package that is not installed: {location.reason(error)}.",
            next_step=f"Install it: pip install {getattr(error, 'name', None) or url.get_driver_name()}",
            code="data.driver-missing",
        ) from None


def _parse_url(location: Location, root: Path, *, must_exist: bool) -> URL:
    try:
        url = make_url(location.meant)
    except (ArgumentError, ValueError):
        raise DataError(
            f"The database address {location.written} cannot be understood.",
            next_step="Write it like postgresql://USER:${PASSWORD}@HOST/DATABASE, or sqlite:///FILE.",
            code="data.source-unknown",
        ) from None
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite" or (url.database or "").startswith("file:"):
        return url
    # SQLite makes a file that is missing, and takes a relative one from the working folder.
    file = root / (url.database or "")
    if must_exist and not file.is_file():
        raise DataError(
            f"The database file {location.hide(file)} does not exist.",
            next_step="Check data.source in the project file; it is relative to that file.",
            code="data.missing",
        )
    return url.set(database=str(file))


@contextmanager
def _connection_errors(engine: Engine, location: Location) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except (SQLAlchemyError, OSError) as error:
        raise DataError(
            f"The database {location.written} cannot be reached: {_describe_error(error, location)}.",
            next_step="Check that it runs, and its address, user and password.",
            code="data.unreachable",
        ) from None
    with connection:
        yield connection


def _read_rows(connection: Connection, section: DataSection, location: Location, budget: MemoryBudget) -> pd.DataFrame:
    with _query_errors(connection, section, location):
        return build_frame(_build_columns(*_run_query(connection, section), budget))


def _run_query(connection: Connection, section: DataSection) -> tuple[CursorResult[Any], list[str]]:
    """The rows, which the database hands over as they are read, and the names of their columns."""
    result = connection.execution_options(stream_results=True).execute(_build_query(section))
    if not result.returns_rows:
        raise DataError(
            "The query gives no rows back; what it did to the database was undone.",
            next_step="Write a query that starts with SELECT.",
            code="data.query-failed",
        )
    names = [str(name) for name in result.keys()]  # noqa: SIM118 - a result is not a mapping
    _refuse_repeats(names)
    return result, names


@contextmanager
def _query_errors(connection: Connection, section: DataSection, location: Location) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise DataError(
            f"The database refuses the {'query' if section.query else 'table'}: {_describe_error(error, location)}."
            + _table_hint(connection, section),
            next_step="Correct the query." if section.query else "Correct the name of the table.",
            code="data.query-failed",
        ) from None


def _build_columns(result: CursorResult[Any], names: list[str], budget: MemoryBudget) -> dict[str, list[object]]:
    """All rows, a column at a time; refused as soon as they need more memory than there is."""
    columns: dict[str, list[object]] = {name: [] for name in names}
    row_bytes = 0.0
    count = 0
    for part in result.partitions(ROWS_AT_ONCE):
        for values, more in zip(columns.values(), zip(*part, strict=True), strict=True):
            values.extend(more)
        if not count:
            row_bytes = float(build_frame(columns).memory_usage(deep=True).sum()) / len(part)
        count += len(part)
        budget.require(row_bytes * count, PEAK_OF_OBJECTS, f"{format_count(count, 'row')} in, with more to come")
    return columns


def _build_query(section: DataSection) -> Executable:
    if section.query is not None:
        return text(_escape_colons(section.query))
    schema, _, name = (section.table or "").rpartition(".")
    return select(literal_column("*")).select_from(named_table(name, schema=schema or None))


def _escape_colons(query: str) -> str:
    """A query whose colons are colons (a time, a cast), never parameters: there are none to fill in."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\:", query)


def _refuse_repeats(names: list[str]) -> None:
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DataError(
            f"The query gives two columns '{repeated}'.",
            next_step="Name the columns in the query, with AS where two are the same.",
            code="data.column-twice",
            column=repeated,
        )


def _table_hint(connection: Connection, section: DataSection) -> str:
    schema, _, name = (section.table or "").rpartition(".")
    if not name:
        return ""
    try:
        connection.rollback()
        catalogue = inspect(connection)
        known = [*catalogue.get_table_names(schema or None), *catalogue.get_view_names(schema or None)]
    except SQLAlchemyError:
        return ""
    return nearest(name, known)


def _describe_error(error: Exception, location: Location) -> str:
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return location.reason(original)
