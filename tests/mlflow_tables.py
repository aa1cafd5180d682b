"""MLflow's empty tables, made once for all processes of the tests.

MLflow makes the tables of a new SQLite file by some fifty migrations, which takes more than a second each time. The
helper of the tests runs them once and keeps the file's bytes; what it forks copies them into each further empty file.
Processes that are started from scratch, and `pytest -n 0`, run the migrations.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

MakeTables = Callable[[Any], None]


def start_making() -> tuple[int, int]:
    """Have MLflow make its tables in a child, as the helper opens no database: the child, and where it writes them."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(_make_tables())
            code = 0
        except Exception:  # noqa: BLE001 - the process that waits raises
            traceback.print_exc()
        finally:
            os._exit(code)  # not the exit of the process that it is a copy of
    os.close(writing)
    return child, reading


def copy_from_now_on(child: int, reading: int) -> None:
    """Wait for the tables, and have MLflow copy them in this process and those that it forks.

    Raises:
        RuntimeError: MLflow could not make them.
    """
    from mlflow.store.db import utils
    from mlflow.store.model_registry import sqlalchemy_store

    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise RuntimeError("MLflow's tables cannot be made; the reason is above")
    copying = make_copying(content, utils._initialize_tables)
    utils._initialize_tables = sqlalchemy_store._initialize_tables = copying
    # Each store that is opened asks for it, and reads all migrations; it changes with the installed MLflow alone.
    newest = utils._get_latest_schema_revision()
    utils._get_latest_schema_revision = lambda: newest


def make_copying(content: bytes, by_migrations: MakeTables) -> MakeTables:
    """A function that fills an empty SQLite file with these bytes, and any other database by MLflow's migrations."""

    def make(engine: Any) -> None:
        import sqlalchemy

        if engine.dialect.name != "sqlite" or sqlalchemy.inspect(engine).get_table_names():
            by_migrations(engine)
            return
        with closing(engine.raw_connection()) as target, closing(sqlite3.connect(":memory:")) as source:
            source.deserialize(content)
            source.backup(target.driver_connection)

    return make


def _make_tables() -> bytes:
    import sqlalchemy
    from mlflow.store.db import utils

    with tempfile.TemporaryDirectory(prefix="tests-") as folder:
        file = Path(folder) / "mlflow.db"
        engine = sqlalchemy.create_engine(f"sqlite:///{file}")
        utils._initialize_tables(engine)
        engine.dispose()
        return file.read_bytes()
