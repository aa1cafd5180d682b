"""The sign of life that a kept process gives."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tiltyard.processes import heartbeat
from tiltyard.processes.heartbeat import HEARTBEAT, Heartbeat


def test_a_heart_beats_while_the_work_gets_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that the environment names is touched until the work has been silent for its patience."""
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.01)
    file = tmp_path / "heart"
    monkeypatch.setenv(HEARTBEAT, str(file))
    with Heartbeat(patience=0.3) as heart:
        time.sleep(0.1)
        heart.beat()
        assert file.exists()
        time.sleep(0.6)
        stuck = file.stat().st_mtime_ns
        time.sleep(0.1)
        assert file.stat().st_mtime_ns == stuck
        heart.beat()
        time.sleep(0.1)
        assert file.stat().st_mtime_ns > stuck


def test_without_anybody_who_asks_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that nobody keeps has no heart that beats."""
    monkeypatch.delenv(HEARTBEAT, raising=False)
    monkeypatch.chdir(tmp_path)
    with Heartbeat(patience=1) as heart:
        heart.beat()
    assert list(tmp_path.iterdir()) == []
