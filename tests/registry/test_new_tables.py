"""The tables of a new SQLite file of MLflow's."""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tests.fork_server import popen
from tiltyard.registry.mlflow_backend.new_tables import make_new_tables

MAKE = """
import sys
from pathlib import Path
from tiltyard.registry.mlflow_env import configure_mlflow
configure_mlflow()
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from tiltyard.registry.mlflow_backend.new_tables import make_new_tables
folder = Path(sys.argv[1])
make_new_tables(folder / "ours.db")
for name in ("ours", "theirs"):
    SqlAlchemyStore(f"sqlite:///{folder / name}.db", (folder / "artifacts").as_uri())
"""


def _dump(file: Path) -> list[list[str]]:
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        # When the default experiment was made differs, and so does the order of a table's constraints.
        lines = [line for line in database.iterdump() if 'INSERT INTO "experiments"' not in line]
    return sorted(sorted(re.split(r"[\s,()]+", line)) for line in lines)


def test_a_new_file_is_as_mlflow_makes_it(tmp_path: Path) -> None:
    """Tables, indices, revision and rows are those of MLflow's own file; MLflow uses them, and nothing else is left."""
    program = tmp_path / "make.py"
    program.write_text(MAKE, encoding="utf-8")
    folder = tmp_path / "state"
    folder.mkdir()
    with popen([sys.executable, str(program), str(folder)], fresh=True) as process:
        assert process.wait(timeout=240) == 0
    found = _dump(folder / "ours.db")
    assert len(found) > 50
    assert found == _dump(folder / "theirs.db")
    assert {path.name for path in folder.iterdir()} <= {"ours.db", "theirs.db", "artifacts"}


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    """Whatever a file of that name holds is left to MLflow, an empty one too."""
    for content in (b"", b"no database"):
        file = tmp_path / "mlflow.db"
        file.write_bytes(content)
        make_new_tables(file)
        assert file.read_bytes() == content
        assert list(tmp_path.iterdir()) == [file]
