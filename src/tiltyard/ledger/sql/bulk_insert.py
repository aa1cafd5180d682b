"""Many rows at once: into SQLite in one statement, on its own connection; and the statement for both databases."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, case
from sqlalchemy.dialects import postgresql, sqlite

from tiltyard.ledger.sql.database import Database
from tiltyard.sqlite import SQLITE_ERRORS, SqliteConnection

MOST_ROWS = 64
"""Rows of one statement: more would gain little, and each number of rows needs its own prepared statement."""


class RowInserter:
    """Inserts rows into a table of an SQLite database, skipping those that are there; safe to use from several threads.

    ``executemany`` steps once a row, and lets go of the interpreter at every step: while another thread is busy,
    each step then waits for its turn. One statement of many rows steps once, and is a transaction by itself. The
    connection bypasses SQLAlchemy, whose bookkeeping costs more than the insert.

    Args:
        database: the database; its connections are set up by its engine.
        table: the table's name.
        columns: names of all columns that a row has, in its order; the first is the primary key.
    """

    def __init__(self, database: Database, table: str, columns: Sequence[str]) -> None:
        self._database = database
        self._head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608 - our own names
        self._row = f"({', '.join('?' * len(columns))})"
        self._delete = f"DELETE FROM {table} WHERE {columns[0]} = ?"  # noqa: S608 - our own names
        self._statements: dict[int, str] = {}
        self._connection: SqliteConnection | None = None

    def insert(self, rows: Sequence[Sequence[Any]]) -> None:
        """Insert all rows (at least one) in one transaction; durable when this returns.

        Raises:
            UnavailableError: the database cannot be reached or written; nothing was written. Or its file is gone.
        """
        with self._database.turn():
            connection = self._connect()
            if len(rows) <= MOST_ROWS:
                self._step(connection, rows)
            else:
                with _transaction(connection):
                    for start in range(0, len(rows), MOST_ROWS):
                        self._step(connection, rows[start : start + MOST_ROWS])
        self._database.require_file()

    def insert_and_delete(self, row: Sequence[Any]) -> None:
        """Insert a row and delete it in one transaction, which writes and syncs as any other; raises as ``insert``."""
        with self._database.turn():
            connection = self._connect()
            with _transaction(connection):
                self._step(connection, [row])
                connection.execute(self._delete, (row[0],))
        self._database.require_file()

    def close(self) -> None:
        """Close the connection; closing twice is a no-op."""
        with self._database.turn():
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self) -> SqliteConnection:
        if self._connection is None:
            self._connection = self._database.raw_sqlite()
        return self._connection

    def _step(self, connection: SqliteConnection, rows: Sequence[Sequence[Any]]) -> None:
        count = len(rows)
        statement = self._statements.get(count)
        if statement is None:
            marks = ", ".join([self._row] * count)
            statement = self._statements[count] = f"{self._head}{marks} ON CONFLICT DO NOTHING"
        connection.execute(statement, tuple(chain.from_iterable(rows)))


@contextlib.contextmanager
def _transaction(connection: SqliteConnection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(*SQLITE_ERRORS):
            connection.execute("ROLLBACK")
        raise


def skipping_insert(database: Database, table: Table, columns: Sequence[ColumnElement[Any]]) -> str:
    """An INSERT that skips rows that are there already, in the driver's parameter style.

    Written out because SQLAlchemy's executemany takes twice as long: it turns each row into a dictionary and back.
    """
    mark = "?" if database.is_sqlite else "%s"
    names = ", ".join(column.name for column in columns)
    marks = ", ".join(mark for _ in columns)
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608


def upserting_insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what to do with a row that is there already."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def later_of(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    """The greater of two columns: the databases have different functions for it."""
    return case((one > other, one), else_=other)
