"""Versions on S3: a real S3 server keeps what a training leaves, and another host serves it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import mlflow_server
from tests.films import make_films
from tests.s3 import BUCKET, S3Server, s3, s3_server
from tiltyard import app_wiring, wiring
from tiltyard.errors import ArtifactError
from tiltyard.pipeline import QuietRunner, TrainingRequest, train
from tiltyard.project import load_project
from tiltyard.registry import ExperimentTracker, MlflowRegistry
from tiltyard.testing.registry import example_pipeline

__all__ = ["s3", "s3_server"]


@pytest.mark.requirement("R-ART-06")
def test_a_version_on_s3_is_trained_here_and_served_there(
    s3: S3Server, tmp_path: Path, fresh_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Artifacts and rows lie in the bucket and nowhere else; a host without a copy fetches, verifies and loads them."""
    monkeypatch.setenv("TILTYARD_ARTIFACTS", f"s3://{BUCKET}/mlflow")
    monkeypatch.setenv("TILTYARD_SNAPSHOTS", f"s3://{BUCKET}/rows")
    project = load_project(make_films(tmp_path / "films", rows=200).root)
    here = wiring.load_settings(project)
    here.state.mkdir()
    shutil.copy(fresh_store, here.state / "mlflow.db")
    with wiring.open_ledger(here) as ledger:
        outcome = train(
            project,
            wiring.open_tracker(project, here),
            app_wiring.open_workspace(here, ledger, project),
            QuietRunner(),
            TrainingRequest(promote=True),
        )
    stored = {path.name for path in (s3.folder / BUCKET / "mlflow").rglob("*") if path.is_file()}
    assert stored >= {"model.skops", "MLmodel", "requirements.txt", "manifest.json", "metrics.json"}
    assert list((s3.folder / BUCKET / "rows").rglob("*.parquet"))
    assert not (here.state / "artifacts").exists()

    there = here.model_copy(update={"home": tmp_path / "there", "mlflow_tracking_uri": here.tracking_uri})
    registry = wiring.open_registry(there)
    champion = registry.get_version(project.model_name, alias="champion")
    assert champion.run_id == outcome.run_id
    assert list(registry.load_model(project.model_name, alias="champion").predict(["a wonderful film"])) == ["positive"]

    # Anyone who can write to the bucket cannot make a host load what was not registered.
    (model,) = (s3.folder / BUCKET / "mlflow").rglob("model.skops")
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    with pytest.raises(ArtifactError):
        wiring.open_registry(there.model_copy(update={"home": tmp_path / "elsewhere"})).load_model(
            project.model_name, alias="champion"
        )


def test_artifacts_of_a_server_come_through_it(s3: S3Server, tmp_path: Path, fresh_store: Path) -> None:
    """MLflow would send clients to the object store behind its server, which a host that serves need not reach."""
    store = f"sqlite:///{shutil.copyfile(fresh_store, tmp_path / 'mlflow.db')}"
    with mlflow_server.serving(tmp_path, store, files=f"s3://{BUCKET}/files") as address:
        tracker = ExperimentTracker("films", tracking_uri=address)
        with tracker.start_run("training") as run:
            tracker.log_model(example_pipeline(), "model")
        registry = MlflowRegistry(tracking_uri=address)
        info = registry.register_model(f"runs:/{run.run_id}/model", "films-classifier")
        fetched = registry.fetch(info, tmp_path / "cache")
    assert (fetched / "MLmodel").exists()
    assert list((s3.folder / BUCKET / "files").rglob("MLmodel"))
    requested = (tmp_path / "log").read_text("utf-8")
    assert "/mlflow-artifacts/artifacts/" in requested
    assert "presigned" not in requested
