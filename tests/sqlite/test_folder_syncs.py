"""The names of a file and of its log are on the disk before anything is acknowledged."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

OPENINGS = {
    "a ledger": "from tiltyard.ledger import SqlLedger\nSqlLedger.open(f'sqlite:///{file}').close()",
    "a connection": "from tiltyard.sqlite import open_sqlite\nopen_sqlite(file, wal=True).close()",
}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("opening", OPENINGS)
def test_a_folder_that_cannot_be_synced_is_refused(opening: str, tmp_path: Path) -> None:
    """SQLite passes over an error of the sync that keeps the name of a new log; nothing is acknowledged after one."""
    code = f"""
from pathlib import Path
from tiltyard.errors import UnavailableError
file = Path({str(tmp_path / "a.db")!r})
try:
    {OPENINGS[opening].replace(chr(10), chr(10) + "    ")}
    print("opened")
except UnavailableError as error:
    print(error.code, error.message)
"""
    options = ["-f", "-q", "-P", str(tmp_path), "-e", "trace=fsync", "-e", "inject=fsync:error=EIO"]
    done = subprocess.run(
        ["strace", "-o", "/dev/null", *options, sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    if "Operation not permitted" in done.stderr and not done.stdout:
        pytest.skip("strace may not trace processes here")
    assert done.stdout.startswith("ledger.away "), done.stdout + done.stderr
    assert f"The folder {tmp_path} of a.db cannot be synced" in done.stdout
