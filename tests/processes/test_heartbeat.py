"""The heartbeat that a supervised process gives."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tiltyard.processes import heartbeat
from tiltyard.processes.health_checks import heartbeat_check
from tiltyard.processes.heartbeat import HEARTBEAT, Heartbeat

PATIENCE = 30.0


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def appears(file: Path) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return file.exists()


def touched(heart: Heartbeat, file: Path) -> bool:
    """Whether the heartbeat makes the file anew."""
    file.unlink(missing_ok=True)
    assert heart.touch_if_alive()
    return file.exists()


def test_the_file_is_touched_until_the_work_is_silent_for_its_patience(tmp_path: Path) -> None:
    """The file is touched while the last beat is younger than the patience, and again after the next beat."""
    clock, file = Clock(), tmp_path / "heart"
    heart = Heartbeat(patience=10, file=file, clock=clock)
    assert touched(heart, file)
    clock.now += 9.9
    assert touched(heart, file)
    clock.now += 0.1
    assert not touched(heart, file)
    heart.beat()
    assert touched(heart, file)
    clock.now += 9.9
    assert touched(heart, file)


def test_the_file_that_the_environment_names_is_touched_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside the context a thread touches the file that the environment names; after it the thread is gone."""
    monkeypatch.setattr(heartbeat, "EVERY_SECONDS", 0.01)
    file = tmp_path / "heart"
    monkeypatch.setenv(HEARTBEAT, str(file))
    with Heartbeat(patience=600):
        for _ in range(3):
            assert appears(file)
            file.unlink()
    assert not [thread for thread in threading.enumerate() if thread.name == "tiltyard-heartbeat"]


def test_the_thread_ends_when_the_folder_of_the_file_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the supervisor took its folder away, nothing is left to touch."""
    heart = Heartbeat(patience=600, file=tmp_path / "gone" / "heart")
    assert not heart.touch_if_alive()


def test_without_a_supervisor_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without a supervisor starts no thread and writes no file."""
    monkeypatch.delenv(HEARTBEAT, raising=False)
    monkeypatch.chdir(tmp_path)
    before = threading.active_count()
    with Heartbeat(patience=1) as heart:
        heart.beat()
        assert heart.touch_if_alive()
        assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []


def test_the_check_of_a_heartbeat_compares_the_times_of_the_file(tmp_path: Path) -> None:
    """A probe passes when the file's time changed since the last probe, to whatever time; a missing file fails."""
    file = tmp_path / "heart"
    probe = heartbeat_check(file)
    assert not probe()
    file.touch()
    assert probe()
    assert not probe()
    os.utime(file, (1, 1))
    assert probe()
    assert not probe()
    file.unlink()
    assert not probe()
