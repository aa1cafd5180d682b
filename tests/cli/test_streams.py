"""The streams of a command: a reader that has gone, a full disk, a closed stream, a prompt without a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import fork_server
from tests.films import Films, environment, make_films
from tiltyard.settings import Settings
from tiltyard.testing import make_prediction
from tiltyard.wiring import open_ledger

COMMAND = [sys.executable, "-m", "tiltyard"]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """A project with two predictions, and no model."""
    made = make_films(tmp_path_factory.mktemp("streams"), rows=60, store=fresh_store)
    with open_ledger(Settings.load(made.root)) as ledger:
        ledger.record([make_prediction(project="films-classifier", key="ann") for _ in range(2)])
    return made


@pytest.mark.parametrize("words", [["doctor"], ["predictions", "stats"], ["predictions", "stats", "--json"]])
def test_a_reader_that_has_gone_is_no_failure(films: Films, words: list[str]) -> None:
    """Where the reader of the pipe has gone (`| head -1`), a command ends as done, and says nothing."""
    reading, writing = os.pipe()
    os.close(reading)
    process = fork_server.popen(
        [*COMMAND, *words], cwd=films.root, env=environment(), stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    _, said = process.communicate(timeout=240)
    assert (process.returncode, said) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [["doctor"], ["predictions", "stats", "--json"]])
def test_a_full_disk_is_an_error_with_a_next_step(films: Films, words: list[str]) -> None:
    """Output that cannot be written is reported with the reason of the operating system, without a traceback."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = fork_server.popen(
            [*COMMAND, *words], cwd=films.root, env=environment(), stdout=full, stderr=subprocess.PIPE
        )
        _, said = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "No space left on device" in said
    assert "next:" in said
    assert "Traceback" not in said


def test_closed_streams_are_no_failure(films: Films) -> None:
    """A command whose caller has closed its streams (`>&-`) does its work."""
    script = f"exec {sys.executable} -m tiltyard predictions stats <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", script], cwd=films.root, env=environment(), check=False).returncode == 0


def test_a_question_without_a_terminal_changes_nothing(films: Films) -> None:
    """A command that needs a confirmation ends, without a terminal, with a usage error that names --yes."""
    done = films.run("predictions", "erase", "--key", "ann", "--reason", "asked", check=False)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert films.call_json("predictions", "stats")["total_predictions"] == 2  # type: ignore[index]


def test_ctrl_c_ends_a_command_with_130(films: Films) -> None:
    """A command that is interrupted ends as a shell expects it, without a traceback."""
    process = fork_server.popen(
        [*COMMAND, "train"], cwd=films.root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert "Starting training flow" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    shown, said = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "Traceback" not in shown + said
