"""The proof of killed batch runs, on few rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import fork_server
from tests.films import environment

ROOT = Path(__file__).parents[2]


@pytest.mark.journey
def test_a_run_that_is_killed_at_random_leaves_what_an_undisturbed_one_leaves(tmp_path: Path) -> None:
    """Rows, ids, recorded rows and every bit of the results; the proof itself says so."""
    script, out = ROOT / "benchmarks" / "batch_kills.py", tmp_path / "kills.json"
    words = ["--rows", "30000", "--kills", "3", "--record", "all", "--json", str(out)]
    done = fork_server.run([sys.executable, str(script), *words], env=environment(), timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["good"] is True
    assert (report["kills"], report["recorded_in_ledger"], report["rows_of_target"]) == (3, 30_000, 30_000)
