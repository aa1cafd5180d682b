"""A model that was fitted in a notebook lives on: adopted, promoted, served, watched, trained again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.serving.interfaces import Running
from tiltyard import ModelServer, wiring
from tiltyard.cli.main import main
from tiltyard.project import ServingSection
from tiltyard.promotion.context import build_workspace
from tiltyard.serving.server import ServerBackends
from tiltyard.settings import Settings

pytestmark = pytest.mark.journey

Run = Callable[..., tuple[int, Any]]


def make_rows(seed: int, rows: int = 600) -> pd.DataFrame:
    """Customers with an age, a town and what they are worth; whether they stay follows from these."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"age": random.uniform(18, 80, rows).round(3), "town": random.choice(["York", "Leeds", "Hull"], rows)}
    )
    worth = frame["age"] + 15 * (frame["town"] == "York") + random.normal(0, 8, rows)
    return frame.assign(stays=np.where(worth > 52, "yes", "no").astype(object), worth=worth.round(2))


def fit(rows: pd.DataFrame, label: str) -> Any:
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["town"]), (StandardScaler(), ["age"]))
    last = LogisticRegression() if label == "stays" else Ridge()
    return make_pipeline(columns, last).fit(rows[["age", "town"]], rows[label])


@pytest.fixture
def folder(tmp_path: Path, fresh_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder without a project file."""
    (tmp_path / ".tiltyard").mkdir()
    (tmp_path / ".tiltyard" / "mlflow.db").write_bytes(fresh_store.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in that folder: its exit code and its JSON."""
    assert folder.is_dir()

    def call(*words: str) -> tuple[int, Any]:
        with pytest.raises(SystemExit) as left:
            main([*words, "--json"])
        return int(str(left.value.code)), json.loads(capsys.readouterr().out)

    return call


@pytest.mark.requirement("R-MORE-03")
@pytest.mark.parametrize("label", ["stays", "worth"], ids=["classes", "numbers"])
def test_an_adopted_model_lives_like_a_trained_one(folder: Path, run: Run, label: str) -> None:
    """From its file to a champion that predicts, is watched, drifts, gets labels and is trained again by hand."""
    rows = make_rows(1)[["age", "town", label]]
    model = fit(rows[:200], label)
    skops.io.dump(model, folder / "customers.skops")
    rows[200:].to_csv("rows.csv", index=False)
    rows[:200].to_csv("taught.csv", index=False)
    code, adopted = run(
        "adopt", "customers.skops", "--data", "rows.csv", "--trained-on", "taught.csv", "--label", label
    )
    assert (code, adopted["model_version"], adopted["held_out_rows"]) == (0, "1", 400)
    assert run("promote", "1", "--model-name", "customers")[1]["promoted"]

    sent = make_rows(2)
    sent["age"] += 40
    with serve(folder) as client:
        instances = sent[["age", "town"]].to_dict(orient="records")
        predicted = client.post("/predict/batch", json={"instances": instances}).json()["predictions"]
        if label == "stays":
            assert [one["prediction"] for one in predicted] == model.predict(sent[["age", "town"]]).tolist()
        else:
            found = [one["prediction"] for one in predicted]
            np.testing.assert_allclose(found, model.predict(sent[["age", "town"]]), rtol=1e-9)
            assert predicted[0]["interval"][0] < predicted[0]["prediction"] < predicted[0]["interval"][1]
        labels = [
            {"prediction_id": one["prediction_id"], "label": truth}
            for one, truth in zip(predicted, sent[label].tolist(), strict=True)
        ]
        assert client.post("/feedback", json={"labels": labels}).json()["accepted"] == len(labels)

    code, watched = run("monitor", "--model-name", "customers")
    codes = {finding["code"] for finding in watched["findings"] if finding["status"] == "found"}
    assert any(code.startswith("drift.") for code in codes), codes
    code, retrained = run("retrain", "--model-name", "customers")
    versions = run("list-versions", "--model-name", "customers")[1]
    assert [version["version"] for version in versions] == ["2", "1"], retrained


@pytest.mark.requirement("R-MORE-03")
def test_what_mlflow_has_is_adopted(folder: Path, run: Run) -> None:
    """A run and a registered version of MLflow are sources; a pickle among them needs --unpickle."""
    import mlflow.sklearn

    rows = make_rows(3, 300)[["age", "town", "stays"]]
    model = fit(rows[:150], "stays")
    rows[150:].to_csv("rows.csv", index=False)
    saved = folder / "saved"
    mlflow.sklearn.save_model(model, str(saved), serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
    code, refused = run("adopt", str(saved), "--data", "rows.csv", "--all-new")
    assert (code, refused["error"]["code"]) == (2, "adopt.is-pickle")
    code, adopted = run("adopt", str(saved), "--data", "rows.csv", "--all-new", "--unpickle")
    assert (code, adopted["adopted_from"]["adopted_form"]) == (0, "mlflow pickle")
    assert "seccomp" in adopted["adopted_from"]["opened_behind"]
    code, again = run("adopt", "models:/saved/1", "--data", "rows.csv", "--all-new")
    assert (code, again["model_name"], again["model_version"]) == (0, "saved", "2")
    code, named = run("adopt", f"runs:/{again['run_id']}/model", "--data", "rows.csv", "--model-name", "other")
    assert (code, named["why_not_compared"] is not None) == (0, True)
    joblib.dump({"model": model}, "held.joblib")
    code, refused = run("adopt", "held.joblib", "--data", "rows.csv", "--unpickle")
    assert refused["error"]["code"] == "adopt.no-model"


@contextmanager
def serve(folder: Path) -> Iterator[httpx.Client]:
    """A client of a server of the champion, while the block runs."""
    settings = Settings.load(folder)
    with wiring.open_ledger(settings) as ledger:
        registry = build_workspace(settings, ledger).registry
        backends = ServerBackends(registry, ledger, settings.cache, ())
        options = ServingSection.model_validate({"port": 0})
        running = Running(ModelServer("customers", options=options, backends=backends))
        with httpx.Client(base_url=running.url, timeout=60) as client:
            yield client
        running.stop()
