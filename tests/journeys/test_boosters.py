"""Boosters from rows to a watched champion: trained, promoted, served by every door, explained, labelled, monitored."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.films import Films
from tests.models.boosters.rows import LIBRARIES, flip_labels, make_labels, make_numbers, make_table
from tests.project_env import ProjectEnv
from tests.serving.interfaces import Running
from tiltyard.ledger import SqlLedger
from tiltyard.monitoring.monitored_version import read_champion
from tiltyard.monitoring.report import render_html
from tiltyard.monitoring.run import evaluate_period
from tiltyard.monitoring.summary import SummaryQuery, build_summary
from tiltyard.pipeline import Workspace
from tiltyard.project import ServingSection
from tiltyard.registry import MlflowRegistry
from tiltyard.serving.server import ModelServer, ServerBackends

PROJECT = """
[project]
name = "sizes"
task = "{task}"
[data]
source = "sizes.csv"
label = "label"
[training]
candidates = ["{library}"]
folds = 2
"""
COLUMNS = ["size", "age", "colour", "old"]
# One of each kind always; the other libraries with the long proofs.
CASES = [
    pytest.param(library, target, marks=[] if (library, target) in chosen else [pytest.mark.proof])
    for chosen in [{("lightgbm", "label"), ("catboost", "number")}]
    for library in LIBRARIES
    for target in ("label", "number")
]

pytestmark = pytest.mark.journey


def make_rows(target: str, rows: int, seed: int) -> pd.DataFrame:
    """Rows with gaps, words and booleans; labels are words, or numbers with some noise."""
    table = make_table(rows, seed)[COLUMNS]
    if target == "label":
        return table.assign(label=flip_labels(make_labels(table, 3), 0.1))
    noise = np.random.default_rng(seed).normal(0, 0.5, rows)
    return table.assign(label=make_numbers(table) + noise)


def plain(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them, without their labels."""
    inputs = rows[COLUMNS].astype(object)
    records: list[dict[str, Any]] = inputs.where(inputs.notna(), None).to_dict(orient="records")  # type: ignore[assignment]
    return records


def ask(client: httpx.Client, path: str, body: Any) -> Any:
    """What a route responds with."""
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize(("library", "target"), CASES)
def test_a_booster_is_served_explained_and_watched(
    library: str, target: str, tmp_path: Path, fresh_store: Path
) -> None:
    """A trained booster becomes champion, predicts alike by every door, and is measured by labels."""
    task = "tabular-classification" if target == "label" else "tabular-regression"
    (tmp_path / "tiltyard.toml").write_text(PROJECT.format(task=task, library=library), encoding="utf-8")
    make_rows(target, 600, 0).to_csv(tmp_path / "sizes.csv", index=False)
    uri = f"sqlite:///{shutil.copyfile(fresh_store, tmp_path / 'mlflow.db')}"
    with SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        workspace = Workspace(MlflowRegistry(tracking_uri=uri), ledger, tmp_path / "cache", (), "tester")
        env = ProjectEnv(Films(tmp_path), workspace, uri)
        outcome = env.train(promote=True)
        assert outcome.promotion is not None
        assert outcome.promotion.promoted, outcome.promotion.status
        backends = ServerBackends(workspace.registry, ledger, tmp_path / "served", ())
        options = ServingSection.model_validate({"port": 0})
        running = Running(ModelServer(env.project.model_name, options=options, backends=backends))
        try:
            with httpx.Client(base_url=running.url, timeout=60) as client:
                check_doors(client, env, library, target)
        finally:
            running.stop()
        monitored = read_champion(workspace.registry, env.project.model_name, workspace.cache)
        until = datetime.now(UTC) + timedelta(seconds=1)
        found = evaluate_period(env.project, ledger, monitored, until=until)
        metrics = found.to_dict()["performance"]["metrics"]
        value = metrics["accuracy" if target == "label" else "mae"]["value"]
        assert value > 0.7 if target == "label" else value < 0.6
        query = SummaryQuery(env.project.model_name, "accuracy" if target == "label" else "mae")
        since = until - timedelta(hours=1)
        page = render_html(build_summary(ledger, query, monitored, since=since, until=until))
        assert "over time" in page


def check_doors(client: httpx.Client, env: ProjectEnv, library: str, target: str) -> None:
    """Ask by each door for the same row, a gap and a word that training did not know among others; then label."""
    name = env.project.model_name
    info = client.get("/model-info").json()
    assert info["scorer"] == f"compiled table, boosting by {library}"
    row = {"size": 0.5, "age": None, "colour": "red", "old": True}
    one = ask(client, "/predict", {"features": row})
    [alike] = ask(client, "/predict/batch", {"instances": [row]})["predictions"]
    by_frame = ask(client, "/invocations", {"dataframe_records": [row]})
    tensors = [
        {"name": "size", "shape": [1], "datatype": "FP64", "data": [0.5]},
        {"name": "age", "shape": [1], "datatype": "FP64", "data": [None]},
        {"name": "colour", "shape": [1], "datatype": "BYTES", "data": ["red"]},
        {"name": "old", "shape": [1], "datatype": "BOOL", "data": [True]},
    ]
    outputs = {out["name"]: out for out in ask(client, f"/v2/models/{name}/infer", {"inputs": tensors})["outputs"]}
    by_v2 = outputs["label" if target == "label" else "prediction"]["data"][0]
    assert alike["prediction"] == one["prediction"] == by_v2 == by_frame["predictions"][0]
    explained = ask(client, "/explain", {"features": row})
    assert explained["exact"]
    assert {part["name"] for part in explained["contributions"]} <= set(COLUMNS)
    unknown = ask(client, "/predict", {"features": {**row, "colour": "mauve"}})
    assert [warning["code"] for warning in unknown["warnings"]] == ["unknown-category"]

    rows = make_rows(target, 200, 1)
    found = ask(client, "/predict/batch", {"instances": plain(rows)})["predictions"]
    champion = env.workspace.registry.champion(name)
    assert champion is not None
    expected = env.workspace.load(champion).pipeline.predict(rows[COLUMNS])
    if target == "label":
        assert [prediction["prediction"] for prediction in found] == list(expected)
    else:
        np.testing.assert_allclose([prediction["prediction"] for prediction in found], expected, rtol=1e-6)
    labels = [
        {"prediction_id": prediction["prediction_id"], "label": label}
        for prediction, label in zip(found, rows["label"].tolist(), strict=True)
    ]
    assert ask(client, "/feedback", {"labels": labels})["accepted"] == len(labels)
