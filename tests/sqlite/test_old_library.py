"""Where only an SQLite with the WAL-reset fault is there, nobody starts a log anew while it is copied."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tiltyard.sqlite.libraries import python_library

pytestmark = pytest.mark.skipif(python_library().resets_safely, reason="Python's own SQLite does not have the fault")

ALONE = "import sys\nsys.modules['pysqlite3'] = None  # as on a machine without a wheel\n"

SETTINGS = """
import json
from contextlib import closing
from pathlib import Path
from sqlalchemy import make_url
from tiltyard.sqlite import default_library, make_sqlite_engine, open_outside_pool, open_read_only, open_sqlite

file = Path(sys.argv[1])
engine = make_sqlite_engine(make_url(f"sqlite:///{file}"), own=True)
with engine.connect() as pooled:
    limits = [pooled.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar()]
made = (open_outside_pool(engine, 1.0), open_sqlite(file), open_read_only(file))
for connection in made:
    with closing(connection):
        limits.append(connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0])
print(json.dumps({"safe": default_library().resets_safely, "limits": limits}))
"""

WRITE_MUCH = """
from tiltyard.ledger import SqlLedger
from tiltyard.testing import make_prediction

longest = 0
with SqlLedger.open(f"sqlite:///{sys.argv[1]}?timeout=200") as ledger:
    print("open", flush=True)
    sys.stdin.readline()
    for _ in range(60):
        ledger.record([make_prediction(input={"text": "x" * 4000}) for _ in range(40)])
        longest = max(longest, ledger_log.stat().st_size)
print(longest)
""".replace("longest = 0\n", "from pathlib import Path\n\nlongest, ledger_log = 0, Path(sys.argv[1] + '-wal')\n")

HOLD = """
import os
import sqlite3

holder = sqlite3.connect(sys.argv[1], isolation_level=None)
holder.execute("PRAGMA wal_autocheckpoint=0")
holder.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
os._exit(0)  # without a checkpoint
"""

CHECKPOINT = """
import json
from contextlib import closing
from functools import partial
from pathlib import Path
from tiltyard.sqlite import empty_log, open_sqlite
from tiltyard.sqlite.checkpoints import checkpoint_alone

file = Path(sys.argv[1])
before = file.read_bytes()
copied = checkpoint_alone(lambda patience: open_sqlite(file, timeout=0.1))
print(json.dumps({"copied": copied, "changed": file.read_bytes() != before, "emptied": empty_log(file, 0.3)}))
"""


def start(script: str, file: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ALONE + script, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def run(script: str, file: Path) -> str:
    with start(script, file) as process:
        out, _ = process.communicate("\n", timeout=240)
    assert process.returncode == 0
    return out


def test_no_connection_makes_checkpoints_by_itself(tmp_path: Path) -> None:
    """With an old library each connection that can write leaves checkpoints to us."""
    seen = json.loads(run(SETTINGS, tmp_path / "a.db"))
    assert seen == {"safe": False, "limits": [0, 0, 0, 0]}


def test_logs_stay_short_and_whole_under_several_writers(tmp_path: Path) -> None:
    """With an old library the log is still copied when it has grown, and processes that write at once lose nothing."""
    file = tmp_path / "ledger.db"
    writers = []
    for _ in range(3):
        # One after another: to make the tables is not the subject.
        writer = start(WRITE_MUCH, file)
        writers.append(writer)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
    lengths = []
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        out, _ = writer.communicate(timeout=240)
        lengths.append(int(out))
        assert writer.returncode == 0
    # About 30 MB went through it.
    assert 0 < max(lengths) < 20_000_000
    check = """
import sqlite3
ledger = sqlite3.connect(sys.argv[1])
for question in ("PRAGMA integrity_check", "SELECT count(*) FROM predictions"):
    print(ledger.execute(question).fetchone()[0])
"""
    assert run(check, file).split() == ["ok", str(3 * 60 * 40)]


def test_nothing_is_copied_while_another_connection_writes(tmp_path: Path) -> None:
    """With an old library no page goes from the log into the file, and no log is emptied, while another process may
    start the log anew.
    """
    file = tmp_path / "ledger.db"
    keep = """
import os
from tiltyard.ledger import SqlLedger
from tiltyard.testing import make_prediction

SqlLedger.open(f"sqlite:///{sys.argv[1]}").record([make_prediction() for _ in range(200)])
os._exit(0)
"""
    run(keep, file)
    with start(HOLD, file) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(subprocess.CalledProcessError) as failed:
            subprocess.run(
                [sys.executable, "-c", ALONE + CHECKPOINT, str(file)], check=True, capture_output=True, text=True
            )
        assert "database is locked" in failed.value.stderr
        holder.communicate("\n", timeout=60)
    assert json.loads(run(CHECKPOINT, file)) == {"copied": True, "changed": True, "emptied": True}


ERASE = """
from tiltyard.ledger import SqlLedger
from tiltyard.testing import make_prediction

with SqlLedger.open(f"sqlite:///{sys.argv[1]}") as ledger:
    secret = make_prediction(input={"text": "the secret"})
    ledger.record([secret, make_prediction()])
    ledger.retention.erase([secret.id])
    print(any(b"the secret" in open(sys.argv[1] + end, "rb").read() for end in ("-wal",)))
    print(ledger.prediction_stats().total)
"""


def test_erased_rows_leave_the_log(tmp_path: Path) -> None:
    """With an old library too, nothing that was erased can be read in the log afterwards."""
    assert run(ERASE, tmp_path / "ledger.db").split() == ["False", "1"]


SAY = """
import logging
from tiltyard.cli.host.doctor_sqlite import check_sqlite
from tiltyard.sqlite import default_library, log_library

logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
log_library()
found = check_sqlite(default_library())
print(found.state, found.found, found.next_step, sep="; ")
"""


def test_an_old_library_is_named(tmp_path: Path) -> None:
    """The start of a server warns of an old library, and doctor notes it; both name it and say what to do."""
    logged, found = run(SAY, tmp_path).splitlines()
    for text in (logged, found):
        assert f"SQLite {python_library().version} of Python" in text
        assert "3.51.3" in text
    assert logged.startswith("WARNING")
    assert found.startswith("note; ")


SHARED = """
from pathlib import Path
from tiltyard.errors import UsageError
from tiltyard.settings import Settings
from tiltyard.wiring import open_ledger

try:
    open_ledger(Settings(root=Path(sys.argv[1]).parents[1], ledger=f"sqlite:///{sys.argv[1]}"))
except UsageError as error:
    print(error.code, error.next_step)
"""


def test_a_ledger_in_the_file_of_mlflow_is_refused(tmp_path: Path) -> None:
    """Where MLflow's SQLite has the fault, a ledger in MLflow's file is refused, with the way to a separate file."""
    (tmp_path / ".tiltyard").mkdir()
    printed = run(SHARED, tmp_path / ".tiltyard" / "mlflow.db")
    assert printed.startswith("sqlite.shared-file Keep the ledger in a separate file")
    assert f"TILTYARD_LEDGER=sqlite:///{tmp_path}/.tiltyard/ledger.db" in printed
    assert not (tmp_path / ".tiltyard" / "mlflow.db").exists()
