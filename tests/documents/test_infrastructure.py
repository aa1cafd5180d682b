"""Guides 1, 2 and 5 of the document MLOps infrastructure in their order, its curls, and MLflow's own pages over it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

import tiltyard
from tests import fork_server
from tests.documents.blocks import BLOCKS, read_commands, run_curls
from tests.films import environment
from tests.mlflow_server import QUIET, wait_for

pytestmark = pytest.mark.journey


def find_port() -> int:
    """A port that nobody uses just now: the documents' own may be in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


TWO, ONE = ("feature1", "feature2"), ("feature1",)


@pytest.fixture(scope="module", params=[TWO, ONE], ids="+".join)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, fresh_store: Path
) -> Iterator[tuple[str, Path, tuple[str, ...]]]:
    """A bare forest, tracked, registered, promoted and served by the blocks of the guides: address, folder, columns."""
    root = tmp_path_factory.mktemp("guides")
    (root / ".tiltyard").mkdir()
    shutil.copyfile(fresh_store, root / ".tiltyard" / "mlflow.db")
    rng = np.random.default_rng(0)
    X = pd.DataFrame({name: rng.uniform(0, 3, 80) for name in request.param})
    y = pd.Series(np.where(X["feature1"] > 1.5, "Introvert", "Extrovert"))
    names: dict[str, Any] = {
        **{name: getattr(tiltyard, name) for name in ("ExperimentTracker", "ModelRegistry", "ModelServer")},
        "model": RandomForestClassifier(n_estimators=5, random_state=0),
        "X_train": X,
        "y_train": y,
        "y_true": y,
        "y_pred": y,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        run_block("infrastructure-3", names)
        run_id = names["tracker"].search_runs()["run_id"].iloc[0]
        run_block("infrastructure-4", names, ("runs:/run_id/", f"runs:/{run_id}/"))
        port = find_port()
        words = ("port=8050", f"port={port}")
        server = threading.Thread(target=run_block, args=("infrastructure-7", names, words))
        server.start()
        try:
            wait_until_served(f"http://127.0.0.1:{port}", server)
            yield f"http://127.0.0.1:{port}", root, request.param
        finally:
            names["server"].stop()
            server.join(60)


def run_block(block: str, names: dict[str, Any], *replaced: tuple[str, str]) -> None:
    """Run a block of Python in ``names``, with what the document leaves to the reader."""
    text = BLOCKS[block]["text"]
    for old, new in replaced:
        assert old in text, old
        text = text.replace(old, new)
    exec(compile(text, block, "exec"), names)


def wait_until_served(address: str, server: threading.Thread) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            if httpx.get(f"{address}/health", timeout=5, verify=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert server.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.requirement("R-SERVE-18", "R-DASH-10", "R-TRACK-11", "R-REG-02", "R-REG-05", "R-REG-07")
def test_a_bare_estimator_goes_from_a_run_to_the_dashboard(served: tuple[str, Path, tuple[str, ...]]) -> None:
    """Guide 1, 2 and 5 in their order end with a server whose page is the dashboard of that very model."""
    address, _, columns = served
    info = httpx.get(f"{address}/model-info", timeout=30).json()
    assert (info["model_name"], info["version"], info["alias"]) == ("personality_model", "1", "champion")
    assert [feature["name"] for feature in info["features"]] == list(columns)
    assert info["metrics"] == {"accuracy": 0.95, "f1_score": 0.93}, "those that the block logged"
    page = httpx.get(f"{address}/", timeout=30)
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]


@pytest.mark.requirement("R-SERVE-03", "R-SERVE-05", "R-SERVE-07")
def test_the_curls_work_on_a_model_that_has_their_columns(served: tuple[str, Path, tuple[str, ...]]) -> None:
    """Each request is predicted where the model has the columns that it names; else the response names the column."""
    address, _, columns = served
    health, single, batch = run_curls("infrastructure-8", address)
    assert (health["status"], health["model_loaded"]) == ("healthy", True)
    if columns == TWO:
        assert single["prediction"] == "Extrovert"
        assert batch["errors"][0]["field"] == "instances[0].feature2"
    else:
        assert [one["prediction"] for one in batch["predictions"]] == ["Extrovert", "Introvert"]
        assert "feature2" in single["errors"][0]["field"]


@pytest.mark.requirement("R-TRACK-06", "R-TRACK-15", "R-REG-16", "R-DASH-08", "R-DEPLOY-11")
@pytest.mark.parametrize("served", [TWO], indirect=True, ids="+".join)
def test_mlflows_own_pages_show_runs_versions_and_aliases(served: tuple[str, Path, tuple[str, ...]]) -> None:
    """``mlflow ui`` over the store of the folder, the file where the documents name ``mlruns``, shows what was done."""
    _, root, _ = served
    command, *_ = read_commands("architecture-2")
    words = command.replace("mlruns", "sqlite:///.tiltyard/mlflow.db").split()
    port = find_port()
    with (root / "log").open("w") as log:
        process = fork_server.popen(
            [sys.executable, "-m", *words, "--port", str(port), "--workers", "1"],
            cwd=root,
            env={**os.environ, **environment(), **QUIET},
            stdout=log,
            stderr=log,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, process, root / "log")
            with httpx.Client(base_url=address, timeout=30) as client:
                assert "<title>MLflow</title>" in client.get("/").text
                api = "/api/2.0/mlflow"
                found = client.post(f"{api}/experiments/search", json={"max_results": 10}).json()["experiments"]
                (experiment,) = [one for one in found if one["name"] == "my_experiment"]
                query = {"experiment_ids": [experiment["experiment_id"]]}
                (run,) = client.post(f"{api}/runs/search", json=query).json()["runs"]
                (model,) = client.get(f"{api}/registered-models/search").json()["registered_models"]
        finally:
            process.terminate()
            process.wait(timeout=60)
    assert run["info"]["run_name"] == "model_training"
    assert {one["key"]: one["value"] for one in run["data"]["metrics"]} == {"accuracy": 0.95, "f1_score": 0.93}
    assert {"learning_rate", "batch_size"} <= {one["key"] for one in run["data"]["params"]}
    assert model["name"] == "personality_model"
    assert model["aliases"] == [{"alias": "champion", "version": "1"}]
