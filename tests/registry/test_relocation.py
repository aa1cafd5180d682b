"""A state folder that was renamed or copied is whole in its new place, and the old place is left alone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tiltyard.registry import ExperimentTracker, MlflowRegistry
from tiltyard.registry.mlflow_backend.relocation import relocate_artifacts


@dataclass(frozen=True)
class StateFolder:
    """A project with its state folder."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / ".tiltyard" / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        return self.root / ".tiltyard" / "artifacts"

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.database}"

    def log_model(self) -> str:
        """A run with a model and a file; the run's id."""
        tracker = ExperimentTracker("films", tracking_uri=self.uri, artifact_location=self.artifacts.as_uri())
        with tracker.start_run("one") as run:
            tracker.log_text("a note", "note.txt")
            uri = tracker.log_model(LogisticRegression().fit(np.array([[0.0], [1.0]]), np.array(["a", "b"])))
        MlflowRegistry(tracking_uri=self.uri).register_model(uri, "films-classifier")
        return run.run_id

    def list_files(self) -> dict[str, int]:
        return {str(file.relative_to(self.root)): file.stat().st_mtime_ns for file in self.root.rglob("*")}


@pytest.fixture
def state(tmp_path: Path, fresh_store: Path) -> StateFolder:
    """A state folder with one version."""
    made = StateFolder(tmp_path / "an old, long name")
    made.artifacts.mkdir(parents=True)
    shutil.copyfile(fresh_store, made.database)
    made.log_model()
    return made


def fetch_files(state: StateFolder, to: Path) -> set[str]:
    registry = MlflowRegistry(tracking_uri=state.uri)
    folder = registry.fetch(registry.get_version("films-classifier", version="1"), to)
    return {file.name for file in folder.iterdir()}


def test_a_renamed_folder_reads_and_writes_in_its_new_place(
    state: StateFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Versions are fetched, runs are written in the new place, and the old place is not made anew."""
    moved = StateFolder(state.root.rename(tmp_path / "new & short"))
    assert "MLmodel" in fetch_files(moved, tmp_path / "fetched")
    assert f"instead of {state.artifacts}" in caplog.text
    run_id = moved.log_model()
    assert (moved.artifacts / run_id / "artifacts" / "note.txt").is_file()
    assert not state.root.exists()
    assert relocate_artifacts(moved.database) == ()


def test_a_copy_never_touches_the_original(state: StateFolder, tmp_path: Path) -> None:
    """With the original in its place, a copy reads and writes its own files only."""
    copy = StateFolder(Path(shutil.copytree(state.root, tmp_path / "copy")))
    before = state.list_files()
    run_id = copy.log_model()
    fetch_files(copy, tmp_path / "fetched")
    assert (copy.artifacts / run_id).is_dir()
    assert state.list_files() == before


def test_a_place_that_somebody_chose_stays(tmp_path: Path, fresh_store: Path) -> None:
    """Artifacts that were put elsewhere on purpose, and stores of other hosts, keep their addresses."""
    state = StateFolder(tmp_path / "project")
    state.artifacts.mkdir(parents=True)
    shutil.copyfile(fresh_store, state.database)
    chosen = tmp_path / "disk" / "artifacts"
    for name, place in (("films", chosen.as_uri()), ("remote", "s3://bucket/artifacts")):
        tracker = ExperimentTracker(name, tracking_uri=state.uri, artifact_location=place)
        if place.startswith("file"):
            with tracker.start_run("one"):
                tracker.log_text("a note", "note.txt")
    moved = StateFolder(state.root.rename(tmp_path / "moved"))
    assert relocate_artifacts(moved.database) == ()


def test_a_file_that_is_no_database_is_left_to_mlflow(tmp_path: Path) -> None:
    """A file without tables, or of another kind, is nothing to correct."""
    for content in (b"", b"not a database" * 100):
        file = tmp_path / "mlflow.db"
        file.write_bytes(content)
        assert relocate_artifacts(file) == ()
    assert relocate_artifacts(tmp_path / "none.db") == ()
