"""Which SQLite libraries this process has: the bundled one of the package pysqlite3, and the one of Python.

Sources: SQLite's "Write-Ahead Logging", section 11, for the WAL-reset fault and the versions without it; "Result and
Error Codes" for the codes.
"""

from __future__ import annotations

import importlib
import logging
import sqlite3
from dataclasses import dataclass
from functools import cache
from types import ModuleType

log = logging.getLogger(__name__)

# Primary result codes, alike in all libraries.
BUSY = sqlite3.SQLITE_BUSY
LOCKED = sqlite3.SQLITE_LOCKED
FULL = sqlite3.SQLITE_FULL
IO_ERROR = sqlite3.SQLITE_IOERR
CANNOT_OPEN = sqlite3.SQLITE_CANTOPEN
DAMAGED = sqlite3.SQLITE_CORRUPT
NOT_A_DATABASE = sqlite3.SQLITE_NOTADB
READ_ONLY = sqlite3.SQLITE_READONLY
NOT_PERMITTED = sqlite3.SQLITE_PERM
DENIED = sqlite3.SQLITE_AUTH
SQL_ERROR = sqlite3.SQLITE_ERROR
SCHEMA_CHANGED = sqlite3.SQLITE_SCHEMA
TOO_BIG = sqlite3.SQLITE_TOOBIG
WRONG_TYPE = sqlite3.SQLITE_MISMATCH
# Extended codes.
BROKEN_NOT_NULL = sqlite3.SQLITE_CONSTRAINT_NOTNULL
BROKEN_CHECK = sqlite3.SQLITE_CONSTRAINT_CHECK

CARE = "It can damage a file that several processes write; so its log is copied into the file only while nobody writes."
REMEDY = "Use a Python with SQLite 3.51.3 or newer, or a machine for which the package pysqlite3 is built."

_FIXED = (3, 51, 3)
_PATCHED = ((3, 44, 6), (3, 50, 7))
"""First versions of older lines that are repaired too."""


SqliteConnection = sqlite3.Connection
"""The form of a connection, for annotations alone: at run time, one of the bundled library has another class."""


@dataclass(frozen=True)
class SqliteLibrary:
    """One SQLite library of this process.

    Attributes:
        module: its Python module, a DB-API.
        bundled: whether it came with a package of Python instead of with Python itself.
    """

    module: ModuleType
    bundled: bool

    @property
    def version(self) -> str:
        """SQLite's own version, as 3.53.4."""
        return str(self.module.sqlite_version)

    @property
    def resets_safely(self) -> bool:
        """Whether a checkpoint and a writer that starts the write-ahead log anew cannot damage a file together."""
        return is_reset_safe(self.version)

    def __str__(self) -> str:
        return f"SQLite {self.version} of {'pysqlite3' if self.bundled else 'Python'}"


def is_reset_safe(version: str) -> bool:
    """Whether a version of SQLite has the repair of the WAL-reset fault, which came with 3.7.0.

    Args:
        version: SQLite's own version, as 3.53.4.
    """
    numbers = tuple(int(part) for part in version.split("."))
    return (
        numbers >= _FIXED
        or numbers < (3, 7)
        or any(numbers[:2] == patched[:2] and numbers >= patched for patched in _PATCHED)
    )


def python_library() -> SqliteLibrary:
    """Python's own library; other packages in this process, such as MLflow, use it."""
    return SqliteLibrary(sqlite3, bundled=False)


@cache
def bundled_library() -> SqliteLibrary | None:
    """The library of the package pysqlite3; None where it is not installed, as it is not built for every machine."""
    try:
        return SqliteLibrary(importlib.import_module("pysqlite3.dbapi2"), bundled=True)
    except ImportError:
        return None


def default_library() -> SqliteLibrary:
    """The library for files that no other package opens: the bundled one where there is one.

    A pysqlite3 that was compiled here may be older than Python's own, and have the fault: then Python's is taken, if
    it does not.
    """
    bundled, own = bundled_library(), python_library()
    if bundled is None or (own.resets_safely and not bundled.resets_safely):
        return own
    return bundled


def log_library() -> None:
    """Say in the log with which SQLite this process keeps its files, and warn of one that needs care."""
    library = default_library()
    if library.resets_safely:
        log.info("Files are kept with %s", library)
    else:
        log.warning("Files are kept with %s. %s %s", library, CARE, REMEDY)


_bundled = bundled_library()
SQLITE_ERRORS: tuple[type[Exception], ...] = (
    (sqlite3.Error,) if _bundled is None else (sqlite3.Error, _bundled.module.Error)
)
"""What a connection raises, whichever library made it."""
