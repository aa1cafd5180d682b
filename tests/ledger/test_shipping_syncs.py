"""What leaves a spool's log is on the disk before the log is gone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import fork_server
from tiltyard.ledger import SqlLedger
from tiltyard.testing import make_prediction

SHIP = """
import sys
from pathlib import Path
from tiltyard.ledger.spools.spool_shipper import ship_folder
from tiltyard.testing import MemoryLedger

print(ship_folder(Path(sys.argv[1]), MemoryLedger()))
"""
RECORD = """
import os, sys
from tiltyard.ledger import SqlLedger
from tiltyard.testing import make_prediction

SqlLedger.open(sys.argv[1]).record([make_prediction() for _ in range(600)])
os._exit(0)  # as a killed worker: its log stays
"""
WRITES = ("write", "pwrite64", "ftruncate")
SYNCS = ("fsync", "fdatasync")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_log_is_removed_after_what_it_held_is_synced(tmp_path: Path) -> None:
    """A shipper syncs all that it copies from a spool's log into the spool before it cuts the log or removes it."""
    file = tmp_path / "spool" / "0.db"
    with SqlLedger.open(f"sqlite:///{file}") as ledger:
        ledger.record([make_prediction()])
    assert fork_server.run([sys.executable, "-c", RECORD, f"sqlite:///{file}"], timeout=60).returncode == 0
    assert file.with_name("0.db-wal").stat().st_size > 0
    trace = tmp_path / "trace"
    calls = ",".join((*WRITES, *SYNCS, "unlink"))
    done = subprocess.run(
        ["strace", "-f", "-y", "-o", trace, "-e", f"trace={calls}", sys.executable, "-c", SHIP, file.parent],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Operation not permitted" in done.stderr and not done.stdout:
        pytest.skip("strace may not trace processes here")
    assert (done.stdout.strip(), done.returncode) == ("601", 0), done.stderr
    dirty: set[str] = set()
    copied = removed = False
    for line in trace.read_text(encoding="utf-8").splitlines():
        found = re.search(r"(\w+)\((?:\d+<([^>]*)>|\"([^\"]*)\")", line)
        if found is None:
            continue
        call, name = found[1], found[2] or found[3]
        if call in WRITES and Path(name).parent == file.parent:
            dirty.add(name)
            copied = copied or name == str(file)
            assert not (call == "ftruncate" and name.endswith("-wal") and str(file) in dirty), line
        elif call in SYNCS:
            dirty.discard(name)
        elif call == "unlink" and name.endswith("-wal"):
            removed = True
            assert str(file) not in dirty, line
    assert copied
    assert removed
