"""The one room in which SQLite files are opened: with which library, how durable, and never with two at once.

Nothing else imports an SQLite module (``tests/sqlite/test_one_room.py``), so that no file that holds what was
acknowledged is opened with settings that lose it in a power cut.
"""

from tiltyard.sqlite.connections import (
    BUSY_SECONDS,
    empty_log,
    is_locked_error,
    open_read_only,
    open_sqlite,
)
from tiltyard.sqlite.copies import copy_database, is_sqlite_file
from tiltyard.sqlite.engines import (
    empty_engine_log,
    file_of_engine_url,
    fill_in_memory,
    make_sqlite_engine,
    open_outside_pool,
)
from tiltyard.sqlite.libraries import (
    BROKEN_CHECK,
    BROKEN_NOT_NULL,
    BUSY,
    CANNOT_OPEN,
    DAMAGED,
    DENIED,
    FULL,
    IO_ERROR,
    LOCKED,
    NOT_A_DATABASE,
    NOT_PERMITTED,
    READ_ONLY,
    SCHEMA_CHANGED,
    SQL_ERROR,
    SQLITE_ERRORS,
    TOO_BIG,
    WRONG_TYPE,
    SqliteConnection,
    SqliteLibrary,
    default_library,
    log_library,
    python_library,
)
from tiltyard.sqlite.openings import claim_for_python, file_of_url, is_open, library_of

__all__ = [
    "BROKEN_CHECK",
    "BROKEN_NOT_NULL",
    "BUSY",
    "BUSY_SECONDS",
    "CANNOT_OPEN",
    "DAMAGED",
    "DENIED",
    "FULL",
    "IO_ERROR",
    "LOCKED",
    "NOT_A_DATABASE",
    "NOT_PERMITTED",
    "READ_ONLY",
    "SCHEMA_CHANGED",
    "SQLITE_ERRORS",
    "SQL_ERROR",
    "TOO_BIG",
    "WRONG_TYPE",
    "SqliteConnection",
    "SqliteLibrary",
    "claim_for_python",
    "copy_database",
    "default_library",
    "empty_engine_log",
    "empty_log",
    "file_of_engine_url",
    "file_of_url",
    "fill_in_memory",
    "is_locked_error",
    "is_open",
    "is_sqlite_file",
    "library_of",
    "log_library",
    "make_sqlite_engine",
    "open_outside_pool",
    "open_read_only",
    "open_sqlite",
    "python_library",
]
