"""The rows of a ledger, copied from one database to another, whichever they are."""

from __future__ import annotations

from sqlalchemy import Connection, Table, func, insert, select, text

from tiltyard.errors import UsageError
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.schema import DERIVED, metadata
from tiltyard.ledger.sql.store import SqlLedger

_ROWS = 2_000
"""That are read and written at once."""
_CONTENT = ("predictions", "labels", "events", "findings", "batch_runs")
"""Tables that a ledger fills only once it is used."""


def count_rows(url: str) -> dict[str, int]:
    """The number of rows of each table of the ledger at an SQLAlchemy URL; all at one moment.

    Raises:
        UnavailableError: it cannot be reached or read.
    """
    database = Database.connect(url)
    try:
        with database.read(snapshot=True) as connection:
            return {table.name: _count(connection, table) for table in _list_tables()}
    finally:
        database.close()


def require_empty_ledger(url: str) -> None:
    """Make sure that a ledger holds nothing yet; its tables are made.

    Raises:
        UsageError: it holds rows.
        UnavailableError: it cannot be reached or read.
    """
    SqlLedger.open(url).close()
    database = Database.connect(url)
    try:
        with database.read() as connection:
            _require_empty(connection, database)
    finally:
        database.close()


def copy_ledger(source: str, target: str) -> None:
    """Copy all rows of a ledger as they are at one moment into another one, which holds nothing yet.

    All of them are there afterwards, or none.

    Args:
        source: SQLAlchemy URL of the ledger.
        target: of the other, whose tables are made.

    Raises:
        UsageError: the target holds rows.
        UnavailableError: one of them cannot be reached, read or written.
    """
    for url in (source, target):
        SqlLedger.open(url).close()  # of the newest form, both
    reading, writing = Database.connect(source), Database.connect(target)
    try:
        with reading.read(snapshot=True) as given, writing.write() as taking:
            _require_empty(taking, writing)
            for table in _list_tables():
                taking.execute(table.delete())
                _copy_table(given, taking, table)
                if not writing.is_sqlite:
                    _continue_numbers(taking, table)
    finally:
        reading.close()
        writing.close()


def _list_tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table.name not in DERIVED]


def _copy_table(given: Connection, taking: Connection, table: Table) -> None:
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_ROWS)
    with given.execute(query) as rows:
        for some in rows.mappings().partitions(_ROWS):
            taking.execute(insert(table), [dict(row) for row in some])


def _continue_numbers(taking: Connection, table: Table) -> None:
    """Let PostgreSQL number the next rows behind those that were copied with their numbers."""
    column = table.autoincrement_column
    if column is None:
        return
    name = {"table": table.name, "column": column.name}
    sequence = taking.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), name).scalar()
    highest = taking.execute(select(func.max(column))).scalar()
    if sequence is not None and highest is not None:
        taking.execute(text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest})


def _require_empty(taking: Connection, target: Database) -> None:
    for name in _CONTENT:
        if _count(taking, metadata.tables[name]):
            raise UsageError(
                f"The ledger {target.redacted_url} is in use: its table {name} holds rows.",
                next_step="Restore into an empty database: name another one by TILTYARD_LEDGER.",
                code="restore.in-use",
            )


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
