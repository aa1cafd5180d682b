"""The benchmark of drift gives the figures that it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.proof
def test_every_case_has_its_rate(tmp_path: Path) -> None:
    """All cases are run on all rows, with a rate, a peak, and drift found; the JSON has the rates by case and tool."""
    out = tmp_path / "drift.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "drift.py"), "--scale", "0.005", "--tools", "--json", str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [run["rows"] for run in found["runs"]] == [5_000, 50_000, 5_000]
    assert all(run["drifted_columns"] > 0 and run["peak_mb"] > 0 and not run["sampled"] for run in found["runs"])
    assert found["values_per_second"].keys() == {"1M x 20", "10M x 20", "1M texts"}
    assert all(rates["tiltyard"] > 0 for rates in found["values_per_second"].values())
