"""The WAL-reset fault of SQLite 3.7.0 to 3.51.2, made to happen, and kept away."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from tiltyard.sqlite import python_library
from tiltyard.sqlite.libraries import bundled_library

pytestmark = [
    pytest.mark.skipif(python_library().resets_safely, reason="Python's own SQLite does not have the fault"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

WRITER = """
import sqlite3, sys

writer = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
for setting in ("journal_mode=WAL", "wal_autocheckpoint=0"):
    writer.execute("PRAGMA " + setting)
writer.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, content TEXT)")
print("ready", flush=True)
for line in sys.stdin:
    print(*writer.execute(line).fetchall(), flush=True)
writer.close()
"""

COPIER = """
import importlib, os, sys
from tiltyard.sqlite.checkpoints import checkpoint_alone

driver = importlib.import_module(sys.argv[3])

def connect():
    return driver.connect(sys.argv[1], isolation_level=None)

lock, copier = connect(), connect()
# With a mapping, SQLite calls the kernel between its look at the length of the log and at what was copied of it.
copier.execute("PRAGMA mmap_size=268435456")
copier.execute("SELECT count(*) FROM rows").fetchall()
print("ready", flush=True)
sys.stdin.readline()
if sys.argv[2] == "alone":
    opened = iter((lock, copier))
    checkpoint_alone(lambda patience: next(opened))
else:
    copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
print("copied", flush=True)
sys.stdin.readline()
os._exit(0)
"""


@contextmanager
def start(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert hear(process) == "ready"
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def insert(rows: int) -> str:
    series = f"WITH RECURSIVE one (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < {rows}) SELECT"
    return f"INSERT INTO rows (content) {series} hex(randomblob(1500)) FROM one"


@contextmanager
def stopped_while_copying(copier: subprocess.Popen[str]) -> Iterator[None]:
    """The copier has seen how long the log is, and is stopped; it continues when the block is left."""
    with subprocess.Popen(
        ["strace", "-f", "-p", str(copier.pid), "-e", "trace=munmap", "-e", "inject=munmap:signal=STOP:when=1"],
        stderr=subprocess.PIPE,
        text=True,
    ) as strace:
        try:
            assert strace.stderr is not None
            attached = strace.stderr.readline()
            if "attached" not in attached:
                pytest.skip(f"strace may not trace processes here: {attached.strip()}")
            tell(copier, "copy")
            while "SIGSTOP" not in strace.stderr.readline():
                assert copier.poll() is None
            while psutil.Process(copier.pid).status() not in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
                time.sleep(0.01)
            yield
            copier.send_signal(signal.SIGCONT)
            assert hear(copier) == "copied"
        finally:
            strace.terminate()


def write_and_copy(writer: subprocess.Popen[str]) -> None:
    """Commit rows and copy all of the log: the next commit starts it anew."""
    tell(writer, insert(100))
    hear(writer)
    tell(writer, "PRAGMA wal_checkpoint(PASSIVE)")
    assert re.fullmatch(r"\(0, (\d+), \1\)", hear(writer))


def lose(file: Path, way: str, driver: str = "sqlite3") -> tuple[int, str]:
    """Commit while a copier is stopped: how many of the 202 rows are gone in the end, and what is wrong then."""
    with start(WRITER, file) as writer:
        write_and_copy(writer)
        with start(COPIER, file, way, driver) as copier:
            write_and_copy(writer)
            with stopped_while_copying(copier):
                tell(writer, insert(1))
                if way == "as SQLite does":
                    hear(writer)
            if way == "alone":
                hear(writer)
            tell(writer, insert(1))
            hear(writer)
            tell(copier, "end")
            copier.wait(60)
        writer.communicate(timeout=60)
    return check(file)


def check(file: Path) -> tuple[int, str]:
    """How many rows are missing, and what SQLite says about the file."""
    with closing(sqlite3.connect(file)) as found:
        try:
            wrong = str(found.execute("PRAGMA integrity_check").fetchone()[0])
            return 202 - int(found.execute("SELECT count(*) FROM rows").fetchone()[0]), wrong
        except sqlite3.DatabaseError as error:
            return 202, str(error)


def test_a_writer_in_the_midst_of_a_checkpoint_loses_nothing(tmp_path: Path) -> None:
    """A commit while a checkpoint runs is lost with an old library as it is, and kept when the checkpoint is ours."""
    assert lose(tmp_path / "before.db", "as SQLite does") != (0, "ok")
    assert lose(tmp_path / "after.db", "alone") == (0, "ok")


@pytest.mark.skipif(bundled_library() is None, reason="pysqlite3 is not built for this machine")
def test_a_fixed_library_copies_safely_whoever_writes(tmp_path: Path) -> None:
    """The fault is of the library that copies: ours loses nothing that an old one commits meanwhile."""
    assert lose(tmp_path / "a.db", "as SQLite does", "pysqlite3.dbapi2") == (0, "ok")
