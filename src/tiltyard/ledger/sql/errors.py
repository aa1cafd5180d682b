"""What a database's error means, by its code: never by the words of a driver's message, which are the database's own.

Sources: PostgreSQL's documentation, appendix A (SQLSTATE; a class is its first two characters); SQLite's "Result and
Error Codes". An error without a code, as of a connection that was never made, says no more than its own text.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from tiltyard import sqlite
from tiltyard.errors import InputError, TiltyardError, UnavailableError
from tiltyard.redact import without_passwords


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a ledger: a code, a verb and its object, and what to do."""

    code: str
    what: str
    next_step: str


_BUSY = Trouble(
    "ledger.busy",
    "is in use by another process for too long",
    "Try again; if it lasts, find the process that holds a transaction open.",
)
_FULL = Trouble("ledger.full", "has no room left", "Free some disk space.")
_DAMAGED = Trouble(
    "ledger.damaged",
    "is damaged",
    "Move the file away and restore it from a copy; what can be read is saved by: sqlite3 FILE .recover",
)
_DAMAGED_SERVER = Trouble("ledger.damaged", "is damaged", "Restore the database from a copy.")
_READ_ONLY = Trouble(
    "ledger.read-only",
    "may not be written",
    "Give this user the right to write there, or choose another place with TILTYARD_LEDGER.",
)
_DISK = Trouble(
    "ledger.away",
    "cannot be read or written",
    "Check that its folder is there, may be written, and has room (tiltyard doctor), and that the disk works.",
)
_LACKING = Trouble(
    "ledger.damaged",
    "lacks a table, a column or itself",
    "Check that TILTYARD_LEDGER names the right database, or restore it from a copy.",
)
_MIXED = Trouble(
    "ledger.away",
    "mixes up statements of several connections",
    "Something between here and PostgreSQL shares connections. PgBouncer in transaction mode is supported; prepared "
    "statements that another program makes need its setting max_prepared_statements.",
)
_AWAY = Trouble(
    "ledger.away", "cannot be reached or used", "Check that the database runs and that TILTYARD_LEDGER names it."
)

# A whole SQLSTATE goes before its class.
_POSTGRES = {
    "55P03": _BUSY,  # lock_not_available
    "57014": _BUSY,  # query_canceled, by statement_timeout above all
    "25P03": _BUSY,  # idle_in_transaction_session_timeout
    "25P04": _BUSY,  # transaction_timeout
    "40": _BUSY,  # transaction rollback: deadlock, serialization
    "53300": _BUSY,  # too_many_connections
    "53100": _FULL,  # disk_full
    "XX001": _DAMAGED_SERVER,  # data_corrupted
    "XX002": _DAMAGED_SERVER,  # index_corrupted
    "42501": _READ_ONLY,  # insufficient_privilege
    "25006": _READ_ONLY,  # read_only_sql_transaction
    "42P01": _LACKING,  # undefined_table
    "42703": _LACKING,  # undefined_column
    "3D000": _LACKING,  # invalid_catalog_name: no such database
    "3F000": _LACKING,  # invalid_schema_name
    "26000": _MIXED,  # invalid_sql_statement_name
    "42P05": _MIXED,  # duplicate_prepared_statement
}
_SQLITE = {
    sqlite.BUSY: _BUSY,
    sqlite.LOCKED: _BUSY,
    sqlite.FULL: _FULL,
    # Also where a full disk has no room for the memory that connections share.
    sqlite.IO_ERROR: _DISK,
    sqlite.CANNOT_OPEN: _DISK,
    sqlite.DAMAGED: _DAMAGED,
    sqlite.NOT_A_DATABASE: _DAMAGED,
    sqlite.READ_ONLY: _READ_ONLY,
    sqlite.NOT_PERMITTED: _READ_ONLY,
    sqlite.DENIED: _READ_ONLY,
    # Our statements are fixed: where SQLite cannot compile one, a table or a column is not there.
    sqlite.SQL_ERROR: _LACKING,
    sqlite.SCHEMA_CHANGED: _LACKING,
}


# Data exception; program limit exceeded, such as a text too long for an index. Of the integrity constraints those on
# one row: that a row is there twice may be another's doing.
_REFUSING_CLASSES = ("22", "54")
_REFUSING_STATES = ("23502", "23514")  # not_null_violation, check_violation
_REFUSING_CODES = (sqlite.TOO_BIG, sqlite.WRONG_TYPE, sqlite.BROKEN_NOT_NULL, sqlite.BROKEN_CHECK)


def describe_database_error(error: Exception, redacted_url: str) -> TiltyardError:
    """The error for people: what is wrong with the ledger, and what to do.

    Args:
        error: SQLAlchemy's or the driver's own.
        redacted_url: the ledger's URL without its password.

    Returns:
        An ``InputError`` where the database refused a value, else an ``UnavailableError``.
    """
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    first_line = without_passwords(str(original).strip().partition("\n")[0])
    if _refuses_value(original):
        return InputError(
            f"The ledger refused a value: {first_line}.", next_step="Correct the value; nothing was stored."
        )
    trouble = find_trouble(original) or _AWAY
    return UnavailableError(
        f"The ledger {redacted_url} {trouble.what}: {first_line}.", next_step=trouble.next_step, code=trouble.code
    )


def find_trouble(original: BaseException) -> Trouble | None:
    """What a driver's own error means; None where it has no code that says more than that it failed."""
    state = getattr(original, "sqlstate", None)
    if state:
        return _POSTGRES.get(state) or _POSTGRES.get(state[:2])
    return _SQLITE.get(_sqlite_code(original))


def _refuses_value(original: BaseException) -> bool:
    """Whether the value is the trouble, so that to try again is of no use."""
    if isinstance(original, UnicodeEncodeError | OverflowError):
        return True  # of a driver that cannot write the value down
    state = getattr(original, "sqlstate", None)
    if state:
        return state[:2] in _REFUSING_CLASSES or state in _REFUSING_STATES
    if getattr(original, "sqlite_errorcode", None) in _REFUSING_CODES:
        return True
    # A driver that refuses a value by itself has no code, but a class of errors for it.
    return type(original).__name__ == "DataError"


def _sqlite_code(original: BaseException) -> int:
    """The primary result code, the low byte of an extended one; -1 where there is none."""
    code = getattr(original, "sqlite_errorcode", None)
    return -1 if code is None else int(code) & 0xFF
