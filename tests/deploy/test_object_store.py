"""SeaweedFS itself, by the very words of the Compose file: artifacts, rows and its console."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests import mlflow_server
from tests.films import make_films
from tests.seaweed import BUCKETS, PASSWORD, SERVICES, Seaweed, seaweed, seaweed_server
from tiltyard import app_wiring, wiring
from tiltyard.pipeline import QuietRunner, TrainingRequest, train
from tiltyard.project import load_project

__all__ = ["seaweed", "seaweed_server"]


@pytest.mark.requirement("R-ART-06")
def test_a_version_is_kept_by_seaweedfs_and_served_from_it(
    seaweed: Seaweed, tmp_path: Path, fresh_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the Compose file, MLflow keeps artifacts in one bucket, trainings keep rows in another; all come back."""
    store = f"sqlite:///{shutil.copyfile(fresh_store, tmp_path / 'mlflow.db')}"
    mlflow = SERVICES["mlflow"]["command"]
    (files,) = [word.partition("=")[2] for word in mlflow if word.startswith("--artifacts-destination=")]
    monkeypatch.setenv("TILTYARD_SNAPSHOTS", "s3://data/snapshots")
    project = load_project(make_films(tmp_path / "films", rows=200).root)
    with mlflow_server.serving(tmp_path, store, files=files) as address:
        here = wiring.load_settings(project).model_copy(update={"mlflow_tracking_uri": address})
        with wiring.open_ledger(here) as ledger:
            outcome = train(
                project,
                wiring.open_tracker(project, here),
                app_wiring.open_workspace(here, ledger, project),
                QuietRunner(),
                TrainingRequest(promote=True),
            )
        there = here.model_copy(update={"home": tmp_path / "there"})
        champion = wiring.open_registry(there).load_model(project.model_name, alias="champion")
        assert list(champion.predict(["a wonderful film"])) == ["positive"]
    kept = {Path(key).name for key in seaweed.list_keys("mlflow-artifacts")}
    assert kept >= {"model.skops", "MLmodel", "requirements.txt", "manifest.json", "metrics.json"}
    assert any(key.endswith(".parquet") for key in seaweed.list_keys("data"))
    assert outcome.run_id
    assert seaweed.list_keys("models") == []


@pytest.mark.requirement("R-ART-06", "R-DEPLOY-06")
def test_its_console_asks_for_the_password_and_shows_the_buckets(seaweed: Seaweed) -> None:
    """Without the password of ``.env`` nothing is shown; with it, the page of buckets names the three."""
    with httpx.Client(base_url=seaweed.console, follow_redirects=True, timeout=30, verify=False) as client:
        refused = client.get("/object-store/buckets")
        assert refused.url.path == "/login"
        for password, inside in (("minioadmin", False), (PASSWORD, True)):
            token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/login").text)
            assert token is not None
            client.post("/login", data={"csrf_token": token[1], "username": "admin", "password": password})
            page = client.get("/object-store/buckets")
            assert (page.url.path == "/object-store/buckets") is inside
            assert all(bucket in page.text for bucket in BUCKETS) is inside


@pytest.mark.requirement("R-DEPLOY-06")
def test_the_compose_file_publishes_the_ports_that_it_listens_on(seaweed: Seaweed) -> None:
    """The ports behind the published addresses of S3 and the console are those of the program without other words."""
    program = seaweed.program
    done = subprocess.run([program, "mini", "-h"], capture_output=True, text=True, check=False, timeout=60)
    printed = done.stdout + done.stderr
    published = [port.rpartition(":")[2] for port in SERVICES["object-store"]["ports"]]
    assert published == [re.findall(rf"-{part}\.port int\n.*default (\d+)", printed)[0] for part in ("s3", "admin")]
