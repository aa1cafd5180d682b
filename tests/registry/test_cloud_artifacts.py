"""Versions in Azure Blob and Google Cloud Storage: what a training leaves there, another host serves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.azurite import ACCOUNT, CONTAINER, Azurite, azurite, azurite_server
from tests.films import make_films
from tests.google_storage import BUCKET, GoogleStorage, google_storage, google_storage_server
from tiltyard import app_wiring, wiring
from tiltyard.pipeline import QuietRunner, TrainingRequest, train
from tiltyard.project import load_project

__all__ = ["azurite", "azurite_server", "google_storage", "google_storage_server"]


def train_and_serve(source: str, store: Any, folder: Path, fresh: Path) -> None:
    """Train here with rows and artifacts in a store, and predict on a host that has no copy."""
    films = make_films(folder / "films", rows=200)
    (table,) = films.root.glob("*.csv")
    store.put("reviews/films.csv", table.read_bytes())
    text = (films.root / "tiltyard.toml").read_text("utf-8")
    (films.root / "tiltyard.toml").write_text(text.replace(f'"{table.name}"', f'"{source}/reviews/films.csv"'), "utf-8")
    table.unlink()
    project = load_project(films.root)
    assert project.data.source == f"{source}/reviews/films.csv"
    here = wiring.load_settings(project)
    here.state.mkdir()
    shutil.copy(fresh, here.state / "mlflow.db")
    with wiring.open_ledger(here) as ledger:
        workspace = app_wiring.open_workspace(here, ledger, project)
        train(project, wiring.open_tracker(project, here), workspace, QuietRunner(), TrainingRequest(promote=True))
    names = store.list_names()
    assert {Path(name).name for name in names} >= {"model.skops", "MLmodel", "requirements.txt", "manifest.json"}
    assert any(name.startswith("rows/") and name.endswith(".parquet") for name in names)
    assert not (here.state / "artifacts").exists()
    there = here.model_copy(update={"home": folder / "there", "mlflow_tracking_uri": here.tracking_uri})
    champion = wiring.open_registry(there).load_model(project.model_name, alias="champion")
    assert list(champion.predict(["a wonderful film"])) == ["positive"]


@pytest.mark.requirement("R-ART-07", "R-DEPLOY-14")
def test_a_version_in_azure_blob_is_trained_here_and_served_there(
    azurite: Azurite, tmp_path: Path, fresh_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are read from, and rows and artifacts are kept in, a container alone."""
    artifacts = f"wasbs://{CONTAINER}@{ACCOUNT}.blob.core.windows.net/mlflow"
    monkeypatch.setenv("TILTYARD_ARTIFACTS", artifacts)
    monkeypatch.setenv("TILTYARD_SNAPSHOTS", f"az://{CONTAINER}/rows")
    train_and_serve(f"abfs://{CONTAINER}", azurite, tmp_path, fresh_store)


@pytest.mark.requirement("R-DEPLOY-14")
def test_a_version_in_google_cloud_storage_is_trained_here_and_served_there(
    google_storage: GoogleStorage, tmp_path: Path, fresh_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are read from, and rows and artifacts are kept in, a bucket alone."""
    monkeypatch.setenv("TILTYARD_ARTIFACTS", f"gs://{BUCKET}/mlflow")
    monkeypatch.setenv("TILTYARD_SNAPSHOTS", f"gs://{BUCKET}/rows")
    train_and_serve(f"gs://{BUCKET}", google_storage, tmp_path, fresh_store)
