"""SQLite files are opened in one room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "tiltyard"
ROOM = PACKAGE / "sqlite"
DRIVERS = ("sqlite3", "pysqlite3", "pysqlite2", "aiosqlite", "apsw", "_sqlite3")
OTHER_ENGINES = ("ledger/sql/database.py", "data/sources/databases.py")
"""Modules that make engines of other databases; those of SQLite files they get from the room."""


def offences(source: str) -> Iterator[str]:
    """Where code opens SQLite files by itself."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            names = [str(value.value) for value in node.args if isinstance(value, ast.Constant)]
        elif isinstance(node, ast.Attribute) and node.attr in ("import_dbapi", "create_connect_args"):
            names = ["sqlite3"]
        yield from (f"line {node.lineno}: {name}" for name in names if name.partition(".")[0] in DRIVERS)  # type: ignore[attr-defined]


def engines(source: str) -> Iterator[str]:
    """Where code makes an engine of SQLAlchemy by itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("create_engine", "connect_raw"):
            yield f"line {node.lineno}: {ast.unparse(node.func)}"


def test_no_other_module_opens_sqlite_files() -> None:
    """Nothing outside of ``tiltyard.sqlite`` imports an SQLite module, however it does so."""
    found = {
        str(file.relative_to(PACKAGE)): list(offences(file.read_text(encoding="utf-8")))
        for file in PACKAGE.rglob("*.py")
        if ROOM not in file.parents
    }
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_engines_of_sqlite_files_are_made_in_the_room() -> None:
    """Outside of ``tiltyard.sqlite`` two modules alone make engines, and both ask it for those of SQLite files."""
    found = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if ROOM not in file.parents and list(engines(file.read_text(encoding="utf-8")))
    }
    assert found == set(OTHER_ENGINES)
    for file in OTHER_ENGINES:
        assert "make_sqlite_engine(" in (PACKAGE / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "source",
    [
        "import sqlite3",
        "from sqlite3 import connect",
        "import pysqlite3.dbapi2 as fast",
        "def f():\n    from sqlite3 import dbapi2\n",
        "import importlib\nimportlib.import_module('pysqlite3')",
        "__import__('sqlite3')",
    ],
)
def test_every_way_to_import_a_driver_is_seen(source: str) -> None:
    """An import of an SQLite module is found whatever its form."""
    assert list(offences(source))
