"""Files of versions in a store that has them, lacks them, or cannot be reached."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from tiltyard.errors import UnavailableError
from tiltyard.registry import ExperimentTracker
from tiltyard.registry.mlflow_backend.artifact_files import fetch_artifacts, read_artifact


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store-404"
    (folder / "tiltyard").mkdir(parents=True)
    (folder / "tiltyard" / "manifest.json").write_text("{}")
    return folder


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a store where nothing listens, whose path has a number in it that is a status elsewhere."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}/api/2.0/mlflow-artifacts/artifacts/1/404/artifacts"


def test_a_file_is_read_and_a_missing_one_is_none(store: Path, tmp_path: Path) -> None:
    """A file's content is read; one that is missing, or its folder, is none."""
    into = tmp_path / "into"
    into.mkdir()
    uri = store.as_uri()
    assert read_artifact(uri, "tiltyard/manifest.json", into, "sqlite://") == b"{}"
    assert read_artifact(uri, "tiltyard/signature", into, "sqlite://") is None
    assert read_artifact(uri, "elsewhere/signature", into, "sqlite://") is None
    assert (fetch_artifacts(uri, into, "sqlite://", "sqlite://") / "tiltyard" / "manifest.json").is_file()


def test_a_store_that_is_away_does_not_lack_the_file(away: str, tmp_path: Path) -> None:
    """Where the store cannot be reached nothing is known about a file, whatever numbers are in its address."""
    with pytest.raises(Exception, match="failed with exception"):
        read_artifact(away, "tiltyard/manifest.json", tmp_path, "sqlite://")
    with pytest.raises(Exception, match="failed with exception"):
        fetch_artifacts(away, tmp_path, "sqlite://", "sqlite://")


def test_a_folder_that_mlflow_stores_in_part_is_refused(tmp_path: Path, fresh_store: Path) -> None:
    """MLflow passes over folders that it does not enter, without an error: what is missing in its store is named."""
    folder = tmp_path / "plots"
    (folder / "kept").mkdir(parents=True)
    (folder / "kept" / "a.txt").write_text("a")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.txt").write_text("b")
    uri = f"sqlite:///{shutil.copyfile(fresh_store, tmp_path / 'mlflow.db')}"
    tracker = ExperimentTracker("films", tracking_uri=uri, artifact_location=(tmp_path / "artifacts").as_uri())
    with tracker.start_run("plots"):
        tracker.log_artifact(folder)
        (folder / "linked").symlink_to(elsewhere)
        with pytest.raises(UnavailableError, match=r"linked/b\.txt"):
            tracker.log_artifact(folder, "again")
        with pytest.raises(UnavailableError, match=r"linked/b\.txt"):
            tracker.log_package(folder, "model")
