"""The comparison of Ray with local processes runs, on few rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import fork_server
from tests.films import environment

pytest.importorskip("ray", reason="needs Ray: pip install 'tiltyard[ray]'")

ROOT = Path(__file__).parents[2]


@pytest.mark.journey
def test_both_engines_are_measured_by_wall_and_processor_seconds(tmp_path: Path) -> None:
    """Each run of both used processors, and the efficiency is the ratio of their times."""
    script, out = ROOT / "benchmarks" / "ray_efficiency.py", tmp_path / "ray.json"
    words = ["--rows", "5000", "--model", "linear", "--processes", "2", "--repeats", "1", "--json", str(out)]
    done = fork_server.run([sys.executable, str(script), *words], env=environment(), timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))["by_processes"]["2"]
    assert found["efficiency"] == found["local_seconds"] / found["ray_seconds"]
    assert found["local_processor_seconds"] > 0
    assert found["ray_processor_seconds"] > 0
