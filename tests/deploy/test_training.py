"""The training of CI: what it tells, and that a version which is not promoted is no failure."""

from __future__ import annotations

from pathlib import Path

from tests.deploy.scripts import run
from tests.films import make_films


def test_a_version_that_is_not_promoted_is_told_and_no_failure(tmp_path: Path, fresh_store: Path) -> None:
    """The same data again are no better: the run stays green, says so, and has nothing to deploy."""
    films = make_films(tmp_path / "films", rows=300, store=fresh_store)
    films.call("train", "--champion")
    summary, output = tmp_path / "summary", tmp_path / "output"
    env = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output)}
    done = run("train.py", "--project", str(films.root), env=env)
    assert done.returncode == 0, done.stderr
    assert "version 2: not promoted" in summary.read_text()
    assert output.read_text() == "promoted=false\nversion=2\n"
    assert "::notice title=Not promoted::Not promoted (current champion is better or equal)" in done.stdout


def test_a_training_that_fails_fails_the_run(tmp_path: Path) -> None:
    """With the training's own exit code."""
    done = run("train.py", "--project", str(tmp_path), env={"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")})
    assert done.returncode == 2
    assert "Training failed (exit code 2)" in (tmp_path / "summary").read_text()
