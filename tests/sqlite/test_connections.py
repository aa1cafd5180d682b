"""Connections to SQLite files keep what they acknowledge."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from tiltyard.errors import UsageError
from tiltyard.sqlite import (
    SQLITE_ERRORS,
    SqliteConnection,
    claim_for_python,
    default_library,
    library_of,
    log_library,
    make_sqlite_engine,
    open_outside_pool,
    open_read_only,
    open_sqlite,
    python_library,
)
from tiltyard.sqlite.libraries import bundled_library

NORMAL, FULL = 1, 2

needs_two = pytest.mark.skipif(bundled_library() is None, reason="pysqlite3 is not built for this machine")


def synchronous(connection: SqliteConnection) -> int:
    return int(connection.execute("PRAGMA synchronous").fetchone()[0])


def test_connections_sync_every_commit(tmp_path: Path) -> None:
    """A connection syncs each commit and each checkpoint, unless its caller may forget, and then each checkpoint."""
    with closing(open_sqlite(tmp_path / "a.db", wal=True)) as own, closing(open_sqlite(tmp_path / "a.db")) as other:
        assert (synchronous(own), synchronous(other)) == (FULL, FULL)
    with closing(open_read_only(tmp_path / "a.db")) as reader:
        assert synchronous(reader) == FULL
    with closing(open_sqlite(tmp_path / "b.db", wal=True, synchronous="NORMAL")) as forgetful:
        assert synchronous(forgetful) == NORMAL


def test_engines_sync_every_commit(tmp_path: Path) -> None:
    """The connections of the ledger, in its pool and next to it, sync each commit and keep a write-ahead log."""
    engine = make_sqlite_engine(make_url(f"sqlite:///{tmp_path}/a.db"), own=True)
    with engine.connect() as pooled:
        assert pooled.exec_driver_sql("PRAGMA synchronous").scalar() == FULL
        assert pooled.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    with closing(open_outside_pool(engine, 1.0)) as separate:
        assert synchronous(separate) == FULL
    engine.dispose()


def test_every_writing_connection_would_flush_the_drive_of_a_mac(tmp_path: Path) -> None:
    """Commits and checkpoints are ordered to reach the drive itself, by every way to open; only macOS differs by it."""
    engine = make_sqlite_engine(make_url(f"sqlite:///{tmp_path}/a.db"), own=True)
    pragmas = ("PRAGMA fullfsync", "PRAGMA checkpoint_fullfsync")
    with engine.connect() as pooled:
        assert [pooled.exec_driver_sql(pragma).scalar() for pragma in pragmas] == [1, 1]
    with (
        closing(open_outside_pool(engine, 1.0)) as separate,
        closing(open_sqlite(tmp_path / "b.db", wal=True)) as logged,
        closing(open_sqlite(tmp_path / "b.db", synchronous="NORMAL")) as forgetful,
    ):
        for connection in (separate, logged, forgetful):
            assert [connection.execute(pragma).fetchone()[0] for pragma in pragmas] == [1, 1]
    engine.dispose()


def test_a_read_only_connection_writes_nothing(tmp_path: Path) -> None:
    """A connection for reading neither makes a file nor changes one."""
    with pytest.raises(SQLITE_ERRORS):
        open_read_only(tmp_path / "a.db")
    open_sqlite(tmp_path / "a.db", wal=True).close()
    with closing(open_read_only(tmp_path / "a.db")) as reader, pytest.raises(SQLITE_ERRORS):
        reader.execute("CREATE TABLE rows (id)")


@needs_two
def test_a_file_that_is_open_is_opened_with_the_same_library(tmp_path: Path) -> None:
    """While a file is open, each name of it is opened with the library that has it open, and none can claim it."""
    file, other = tmp_path / "a.db", tmp_path / "other.db"
    claim_for_python(f"sqlite:///{other}")
    with closing(open_sqlite(file)) as first:
        assert isinstance(first, default_library().module.Connection)
        with pytest.raises(UsageError, match=r"is open with SQLite .* of pysqlite3 in this process") as refused:
            claim_for_python(f"sqlite:///{file}")
        assert refused.value.code == "sqlite.two-libraries"
        # Claimed when it did not exist: that both names lead to one file shows only now.
        os.link(file, other)
        for name in (file, other):
            with pytest.raises(UsageError, match="would open it too"):
                open_sqlite(name)
    for name in (file, other):
        with closing(open_sqlite(name)) as later:
            assert isinstance(later, python_library().module.Connection)


@needs_two
def test_rows_of_a_claimed_file_are_read_with_its_library(tmp_path: Path) -> None:
    """An engine over a file that another package opens uses that package's library, and its errors are understood."""
    url = f"sqlite:///{tmp_path}/a.db"
    claim_for_python(url)
    engine = make_sqlite_engine(make_url(url), own=False)
    with engine.connect() as connection:
        assert isinstance(connection.connection.dbapi_connection, python_library().module.Connection)
        with pytest.raises(OperationalError, match="no such table"):
            connection.exec_driver_sql("SELECT * FROM rows")
    engine.dispose()


@needs_two
def test_a_connection_that_is_gone_does_not_hold_its_file(tmp_path: Path) -> None:
    """A file is noted as open until its last connection is closed, or is collected as garbage."""
    url = f"sqlite:///{tmp_path}/a.db"
    closed, dropped = open_sqlite(tmp_path / "a.db"), open_sqlite(tmp_path / "a.db")
    closed.close()
    with pytest.raises(UsageError):
        claim_for_python(url)
    del dropped
    gc.collect()
    claim_for_python(url)
    assert library_of(tmp_path / "a.db") == python_library()


@needs_two
def test_a_second_library_would_drop_the_locks_of_the_first(tmp_path: Path) -> None:
    """Why a file is never open with two libraries: when one of them closes it, the lock of the other is gone."""
    import sqlite3

    file = tmp_path / "a.db"
    with closing(open_sqlite(file)) as holder:
        holder.execute("CREATE TABLE rows (id)")
        holder.execute("BEGIN EXCLUSIVE")
        assert not can_write(file)
        with closing(sqlite3.connect(file, timeout=0)) as stranger:
            stranger.execute("SELECT * FROM rows").fetchall()
        assert can_write(file)


def test_the_library_in_use_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The start of a server says with which SQLite its files are kept."""
    with caplog.at_level("INFO", logger="tiltyard"):
        log_library()
    assert str(default_library()) in caplog.text


def can_write(file: Path) -> bool:
    """Whether another process gets the lock on a file."""
    attempt = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    return subprocess.run([sys.executable, "-c", attempt, file], capture_output=True, check=False).returncode == 0
