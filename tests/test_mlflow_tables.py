"""MLflow's tables are copied into new files by the tests, and are those that MLflow makes."""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy

from tests.fork_server import ForkedPopen, popen
from tests.mlflow_tables import make_copying

OPEN = """
import sys
import mlflow.store.db.utils as utils
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
SqlAlchemyStore(f"sqlite:///{sys.argv[1]}", sys.argv[2])
print(utils._initialize_tables.__module__)
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")


@linux
def test_the_tables_of_a_forked_process_are_those_of_a_fresh_one(tmp_path: Path) -> None:
    """A store that a forked process opens first has the tables, indices, revision and rows that MLflow itself makes."""
    program = tmp_path / "open.py"
    program.write_text(OPEN, encoding="utf-8")
    found = {}
    for fresh in (False, True):
        file = tmp_path / f"{fresh}.db"
        command = [sys.executable, str(program), str(file), (tmp_path / "artifacts").as_uri()]
        with popen(command, fresh=fresh, stdout=-1) as process:
            assert isinstance(process, ForkedPopen) is not fresh
            made_by, _ = process.communicate(timeout=240)
        assert process.returncode == 0
        assert made_by.strip() == ("mlflow.store.db.utils" if fresh else "tests.mlflow_tables")
        with closing(sqlite3.connect(file)) as database:
            dump = [line for line in database.iterdump() if 'INSERT INTO "experiments"' not in line]
        # In which order a table's constraints are written differs from process to process: they come out of a set.
        found[fresh] = sorted(sorted(re.split(r"[\s,()]+", line)) for line in dump)
    assert len(found[True]) > 50
    assert found[False] == found[True]


def test_only_an_empty_sqlite_file_is_filled(tmp_path: Path) -> None:
    """A file that holds a table already is left to MLflow's migrations."""
    calls: list[sqlalchemy.Engine] = []
    with closing(sqlite3.connect(tmp_path / "source.db")) as source:
        source.execute("CREATE TABLE made (number INTEGER)")
        make = make_copying(source.serialize(), calls.append)
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'new.db'}")
    make(engine)
    assert sqlalchemy.inspect(engine).get_table_names() == ["made"]
    assert calls == []
    make(engine)
    assert calls == [engine]
    engine.dispose()
