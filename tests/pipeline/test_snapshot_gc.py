"""Which versions need which rows, and removing what none needs."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.project_env import ProjectEnv
from tiltyard.cli.data.group import data_group as command
from tiltyard.pipeline.jobs.snapshot_gc import snapshot_uses, unused_snapshots
from tiltyard.registry import ExperimentTracker

DAY = timedelta(days=1)


@pytest.fixture
def kept(project_env: ProjectEnv, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version trained from all rows, and rows of another day that no version saw; both kept long ago."""
    store = project_env.films.root / "kept"
    shutil.rmtree(store, ignore_errors=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project_env.tracking_uri)
    monkeypatch.setenv("TILTYARD_SNAPSHOTS", str(store))
    replace(project_env, workspace=replace(project_env.workspace, snapshots=str(store))).train()
    rows = project_env.films.root / "reviews.csv"
    before = rows.read_text("utf-8")
    rows.write_text(before + "A film of another day.,positive,archive,2025-01-01T00:00:00Z\n", "utf-8")
    CliRunner().invoke(command, ["snapshot", "--project", str(project_env.films.root)], catch_exceptions=False)
    rows.write_text(before, "utf-8")
    for file in (store / "films").iterdir():
        os.utime(file, (1e9, 1e9))
    return store


def run(project_env: ProjectEnv, *words: str) -> str:
    done = CliRunner().invoke(command, [*words, "--project", str(project_env.films.root)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_each_snapshot_tells_who_was_trained_from_it(project_env: ProjectEnv, kept: Path) -> None:
    """The list has name, fingerprint, rows, size, time and versions; also where the store was moved."""
    moved = kept.with_name("moved")
    shutil.copytree(kept, moved)
    for store in (kept, moved):
        listed = json.loads(run(project_env, "snapshots", "--json", "--in", str(store)))["snapshots"]
        by_rows = {one["rows"]: one for one in listed}
        assert set(by_rows) == {500, 501}
        assert by_rows[500]["versions"][-1].startswith("films-classifier ")
        assert by_rows[501]["versions"] == []
        assert all(one["bytes"] > 1000 and one["used_at"].startswith("2001") for one in listed)
    assert "501" in run(project_env, "snapshots")
    shutil.rmtree(moved)


@pytest.mark.requirement("R-DATA-14")
def test_only_what_no_version_needs_is_pruned_and_only_on_request(project_env: ProjectEnv, kept: Path) -> None:
    """Without --yes nothing goes; with it only rows that no version needs and nobody used lately go, as an event."""
    assert "Nothing was deleted" in run(project_env, "prune")
    assert len(list((kept / "films").iterdir())) == 2
    report = json.loads(run(project_env, "prune", "--json"))
    assert (report["removed"], [one["rows"] for one in report["snapshots"]]) == (False, [501])
    removed = json.loads(run(project_env, "prune", "--yes", "--json"))
    assert (removed["removed"], [one["rows"] for one in removed["snapshots"]]) == (True, [501])
    assert [one["rows"] for one in json.loads(run(project_env, "snapshots", "--json"))["snapshots"]] == [500]
    assert "Nothing to delete" in run(project_env, "prune", "--yes")


def test_rows_that_are_in_use_are_not_old(project_env: ProjectEnv, kept: Path) -> None:
    """Rows of a training that has registered nothing yet stay: they were kept, or found to be there, just now."""
    tracker = ExperimentTracker("films", tracking_uri=project_env.tracking_uri)
    uses = snapshot_uses(project_env.project, str(kept), tracker, project_env.workspace)
    assert [use.rows.rows for use in unused_snapshots(uses, 30 * DAY, datetime.now(UTC))] == [501]
    assert unused_snapshots(uses, 30 * DAY, datetime.fromtimestamp(1e9, UTC) + 29 * DAY) == []
