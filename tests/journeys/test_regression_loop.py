"""A model of numbers in production: it predicts with intervals, gets labels, and is watched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.project_env import ProjectEnv
from tests.rents import make_rents, open_rents
from tests.serving.interfaces import Running
from tiltyard.data import load_dataset
from tiltyard.ledger import Ledger, Prediction
from tiltyard.ledger.export import to_log_line
from tiltyard.monitoring.monitored_version import read_champion
from tiltyard.monitoring.report import render_html
from tiltyard.monitoring.run import MonitoringResult, evaluate_period
from tiltyard.monitoring.summary import SummaryQuery, build_summary
from tiltyard.pipeline import TrainingOutcome
from tiltyard.pipeline.training.production_data import gather_production_data
from tiltyard.project import ServingSection
from tiltyard.serving.server import ModelServer, ServerBackends

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ROW = {"size": 80.0, "town": "York", "noise": 0.0}


@dataclass(frozen=True)
class ServedRents:
    """A served model of rents."""

    env: ProjectEnv
    outcome: TrainingOutcome
    client: httpx.Client

    @property
    def ledger(self) -> Ledger:
        """Where its predictions are."""
        return self.env.workspace.ledger

    def predict(self, rows: pd.DataFrame) -> list[dict[str, Any]]:
        """Predictions for some flats."""
        plain = rows.astype(object).where(rows.notna(), None).to_dict(orient="records")
        response = self.client.post("/predict/batch", json={"instances": plain})
        assert response.status_code == 200, response.text
        return list(response.json()["predictions"])

    def report(self, predictions: list[dict[str, Any]], truth: pd.Series) -> None:
        """Report the true rents."""
        labels = [
            {"prediction_id": one["prediction_id"], "label": rent}
            for one, rent in zip(predictions, truth.tolist(), strict=True)
        ]
        response = self.client.post("/feedback", json={"labels": labels})
        assert response.json()["accepted"] == len(labels), response.text

    def monitor(self) -> MonitoringResult:
        """What monitoring says of all that was predicted until now."""
        monitored = read_champion(self.env.workspace.registry, self.env.project.model_name, self.env.workspace.cache)
        until = datetime.now(UTC) + timedelta(seconds=1)
        return evaluate_period(self.env.project, self.ledger, monitored, until=until)


@pytest.fixture
def rents(tmp_path: Path, fresh_store: Path) -> Iterator[ServedRents]:
    """A champion of rents behind a server."""
    with open_rents(tmp_path, fresh_store) as env:
        outcome = env.train(promote=True)
        assert outcome.promotion is not None
        assert outcome.promotion.promoted
        backends = ServerBackends(env.workspace.registry, env.workspace.ledger, tmp_path / "served", ())
        running = Running(
            ModelServer(env.project.model_name, options=ServingSection.model_validate({"port": 0}), backends=backends)
        )
        with httpx.Client(base_url=running.url, timeout=60) as client:
            yield ServedRents(env, outcome, client)
        running.stop()


def recorded(rents: ServedRents, id_: str) -> Prediction:
    """A prediction as the ledger holds it."""
    return next(row for row in rents.ledger.predictions() if row.id == id_)


@pytest.mark.requirement("R-MORE-01")
def test_every_route_says_the_same_number_and_records_it(rents: ServedRents) -> None:
    """One flat has one rent by every door, with an interval around it, and the ledger holds both."""
    response = rents.client.post("/predict", json={"features": ROW})
    assert response.status_code == 200, response.text
    one = response.json()
    assert set(one) == {"prediction", "interval", "model_version", "prediction_id"}
    low, high = one["interval"]
    assert low < one["prediction"] < high
    kept = recorded(rents, one["prediction_id"])
    assert (kept.confidence, kept.probabilities, kept.interval) == (None, {}, (low, high))
    assert float(kept.label) == one["prediction"]
    line = to_log_line(kept)
    assert (line["prediction"], line["interval"]) == (one["prediction"], (low, high))

    batch = rents.predict(pd.DataFrame([ROW, ROW]))
    assert [found["prediction"] for found in batch] == [one["prediction"]] * 2
    frame = rents.client.post("/invocations", json={"dataframe_records": [ROW]}).json()
    assert (frame["predictions"], frame["intervals"]) == ([one["prediction"]], [[low, high]])
    assert "probabilities" not in frame
    tensors = [
        {"name": name, "shape": [1], "datatype": "BYTES" if name == "town" else "FP64", "data": [value]}
        for name, value in ROW.items()
    ]
    model = rents.env.project.model_name
    response = rents.client.post(f"/v2/models/{model}/infer", json={"inputs": tensors})
    assert response.status_code == 200, response.text
    outputs = {output["name"]: output for output in response.json()["outputs"]}
    assert outputs["prediction"]["data"] == [one["prediction"]]
    assert (outputs["interval"]["shape"], outputs["interval"]["data"]) == ([1, 2], [low, high])
    described = rents.client.get(f"/v2/models/{model}").json()["outputs"]
    assert [tensor["name"] for tensor in described] == ["prediction", "interval", "prediction_id"]
    body = {"inputs": tensors, "outputs": [{"name": "label"}]}
    refused = rents.client.post(f"/v2/models/{model}/infer", json=body)
    assert refused.status_code == 422
    assert "prediction, interval, prediction_id" in refused.text
    scored = rents.client.post("/predict/file", params={"name": "a.csv"}, content=b"size,town,noise\n80,York,0\n")
    assert scored.status_code == 200, scored.text
    head, scored_row = scored.text.splitlines()
    assert head == "size,town,noise,prediction,interval_low,interval_high,model_version,prediction_id"
    assert [float(cell) for cell in scored_row.split(",")[3:6]] == [one["prediction"], low, high]


def test_the_server_says_what_it_serves(rents: ServedRents) -> None:
    """Task, target, stated and measured coverage are shown; totals have no labels and no confidence."""
    info = rents.client.get("/model-info").json()
    assert (info["task"], info["input"], info["target"], info["classes"]) == (
        "tabular-regression",
        "table",
        "number",
        [],
    )
    assert info["interval_coverage"] == 0.9
    assert 0.7 < info["interval_coverage_measured"] <= 1
    rents.predict(pd.DataFrame([ROW] * 3))
    totals = rents.client.get("/health").json()["statistics"]
    assert (totals["total_predictions"], totals["by_label"], totals["mean_confidence"]) == (3, {}, None)
    history = rents.client.get("/predictions").json()["predictions"][0]
    assert history["confidence"] is None
    assert len(history["interval"]) == 2
    schema = rents.client.get("/openapi.json").json()["components"]["schemas"]
    assert "Prediction" in schema
    assert 'tiltyard_predictions_total{decision="champion",label=""' in rents.client.get("/metrics").text


def test_a_number_is_explained_and_what_is_none_is_refused(rents: ServedRents) -> None:
    """Contributions add up to the predicted number, and a label that is not a finite number is refused."""
    response = rents.client.post("/explain", json={"features": ROW})
    assert response.status_code == 200, response.text
    found = response.json()
    predicted = rents.client.post("/predict", json={"features": ROW}).json()["prediction"]
    added = sum(part["weight"] for part in found["contributions"])
    assert (found["scale"], found["probability"], found["exact"]) == ("number", None, True)
    assert found["baseline"] + added + found["rest"] == pytest.approx(predicted)
    assert found["contributions"][0]["name"] in ("size", "town")
    assert rents.client.get("/model-info").json()["scorer"].startswith("compiled table")
    [one] = rents.predict(pd.DataFrame([ROW]))
    for label in ("dear", "inf", True):
        refused = rents.client.post("/feedback", json={"prediction_id": one["prediction_id"], "label": label})
        assert refused.status_code == 422, refused.text
        assert "is not a finite number" in refused.text
    taken = rents.client.post("/feedback", json={"prediction_id": one["prediction_id"], "label": "912.50"})
    assert taken.json()["accepted"] == 1
    [(_, stored)] = rents.ledger.labelled_predictions()
    assert stored.label == "912.5"


def test_a_next_step_names_no_field_that_numbers_do_not_take(rents: ServedRents) -> None:
    """A request of the wrong shape is not sent to confidence_level, which numbers do not have."""
    refused = rents.client.post("/predict", json={"feature": {}})
    assert refused.status_code == 422
    assert refused.json()["next_step"] == 'Send {"features": {"name": value, …}}.'


def status_of(seen: MonitoringResult, code: str) -> str:
    """What a check says."""
    return next(found.status for found in seen.findings if found.code == code)


def test_labels_measure_the_error_in_production(rents: ServedRents) -> None:
    """With labels like those of the training nothing is alarming, and the errors are those that were measured."""
    rows = make_rents(400, seed=11)
    rents.report(rents.predict(rows.drop(columns="rent")), rows["rent"])
    seen = rents.monitor()
    assert seen.performance is not None
    figures = seen.performance.figures
    assert {"mae", "rmse", "r2", "mape"} <= set(figures)
    assert "accuracy" not in figures
    assert figures["mae"].interval is not None
    assert figures["mae"].value == pytest.approx(rents.outcome.trial.evaluation.metrics["mae"], rel=0.5)
    assert status_of(seen, "performance.degradation") == "clear"
    assert status_of(seen, "performance.estimate") == "clear"
    assert status_of(seen, "performance.change") == "clear"
    assert status_of(seen, "performance.residuals") == "clear"
    assert seen.slices is not None
    assert seen.slices.base == "mae"
    assert not seen.decayed
    assert not seen.drifted
    assert seen.operations.by_label == {}
    stats = rents.ledger.prediction_stats(rents.env.project.model_name)
    assert (stats.total, stats.by_label, stats.mean_confidence) == (400, {}, None)
    assert stats.by_version == {rents.outcome.version.version: 400}
    assert seen.to_dict()["performance"]["metrics"]["mae"]


def test_a_report_of_numbers_shows_no_shares_and_no_confidence(rents: ServedRents) -> None:
    """Numbers have neither a share each nor a confidence: a report leaves out both, and has their error."""
    rows = make_rents(120, seed=12)
    rents.report(rents.predict(rows.drop(columns="rent")), rows["rent"])
    monitored = read_champion(rents.env.workspace.registry, rents.env.project.model_name, rents.env.workspace.cache)
    until = datetime.now(UTC) + timedelta(seconds=1)
    query = SummaryQuery(rents.env.project.model_name, "mae")
    page = render_html(build_summary(rents.ledger, query, monitored, since=until - timedelta(hours=1), until=until))
    assert "Mean absolute error over time" in page
    assert "Shares of the labels" not in page
    assert "Confidence" not in page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_of_the_server_shows_an_interval_in_place_of_a_confidence(rents: ServedRents) -> None:
    """Cards, result and history speak of the number and its interval, in digits that can be read."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(str(rents.client.base_url))
        page.click("#send")
        page.wait_for_selector("#history-rows tr")
        assert page.inner_text("#confidence-title") == "Interval of 90 %"
        assert page.inner_text("#history thead th:nth-child(4)") == "Interval"
        assert not page.is_visible("#label-filter")
        assert not page.is_visible("#card-confidence")
        shown = page.locator("#history-rows tr td:nth-child(3)")
        assert shown.inner_text() == page.inner_text("#label")
        assert len(shown.inner_text()) < len(shown.get_attribute("title"))
        browser.close()


@pytest.mark.requirement("R-MORE-01")
def test_decay_is_found_on_numbers(rents: ServedRents) -> None:
    """Rents that rose by a quarter are missed by more, which is more than chance explains."""
    rows = make_rents(400, seed=12)
    rents.report(rents.predict(rows.drop(columns="rent")), rows["rent"] * 1.25)
    seen = rents.monitor()
    assert seen.decayed
    found = next(one for one in seen.findings if one.code == "performance.degradation")
    assert "Mean absolute error" in found.message
    assert status_of(seen, "performance.residuals") == "found"
    assert status_of(seen, "performance.contradiction") == "found"


@pytest.mark.requirement("R-MORE-01")
def test_the_error_is_estimated_without_labels(rents: ServedRents) -> None:
    """Inputs alone give an error with an interval that holds what the labels show; far inputs are not estimated."""
    rows = make_rents(300, seed=15)
    rents.predict(rows.drop(columns="rent"))
    seen = rents.monitor()
    assert seen.estimate is not None
    figure = seen.estimate.figures["mae"]
    assert figure.interval is not None
    assert (seen.estimate.labelled, seen.estimate.predictions) == (0, 300)
    assert status_of(seen, "performance.estimate") == "clear"
    assert seen.to_dict()["estimate"]["method"].startswith("direct loss estimation")
    rents.predict(make_rents(600, seed=16).drop(columns="rent").assign(size=lambda frame: frame["size"] + 400))
    far = rents.monitor()
    assert status_of(far, "performance.estimate") == "could_not_judge"
    assert "beyond those of the training" in (far.estimate.reason if far.estimate else "")


def test_drift_of_inputs_and_predictions_is_found(rents: ServedRents) -> None:
    """Larger flats drift as a column, and their predictions as numbers."""
    rows = make_rents(400, seed=13).assign(size=lambda frame: frame["size"] * 1.6 + 20)
    rents.predict(rows.drop(columns="rent"))
    seen = rents.monitor()
    assert seen.drifted
    drifted = {found.subject for found in seen.findings if found.code.startswith("drift.") and found.status == "found"}
    assert {"size", "prediction"} <= drifted


def test_recorded_numbers_teach_the_next_version(rents: ServedRents) -> None:
    """Labelled predictions become training rows with numbers as labels."""
    rows = make_rents(50, seed=14)
    rents.report(rents.predict(rows.drop(columns="rent")), rows["rent"])
    base = load_dataset(rents.env.project)
    joined = gather_production_data(rents.env.project, rents.ledger, base=base)
    assert joined.added == 50
    assert joined.dataset.labels.dtype == np.float64
    assert len(joined.dataset) == len(base) + 50
