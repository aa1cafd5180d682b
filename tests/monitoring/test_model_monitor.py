"""The monitor of a model as the requirements call it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.monitoring.sample_predictions import make_labelled_predictions
from tiltyard.data.conform.schema import TableSchema, TypedColumn
from tiltyard.errors import InputError, NotFoundError, ProjectError, UsageError
from tiltyard.evaluation import label_predictions
from tiltyard.ledger import SqlLedger
from tiltyard.monitoring import ModelMonitor, PredictionCollector
from tiltyard.monitoring.degradation import evaluate_degradation
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.testing import MemoryLedger

FEATURES = {"Time_spent_Alone": 4, "Stage_fear": "No"}


class ChampionOfTwoColumns(MonitoredVersion):
    """A champion whose files are not needed: its columns are enough."""

    @property
    def table_schema(self) -> TableSchema:
        return TableSchema(tuple(TypedColumn(name, "number", nullable=True) for name in ("age", "hours")))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with nothing in the environment."""
    for name in ("TILTYARD_LEDGER", "TILTYARD_HOME", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def monitor_of(rows: int, *, truthful: float = 1.0, labelled: int | None = None) -> ModelMonitor:
    """A monitor over predictions of the last hour."""
    ledger = MemoryLedger()
    made, labels = make_labelled_predictions(rows, at=datetime.now(UTC) - timedelta(hours=1), truthful=truthful)
    ledger.record(made)
    ledger.record_labels(labels[: rows if labelled is None else labelled])
    return ModelMonitor("films", ledger=ledger)


def test_python_labels_mean_their_class_in_any_type() -> None:
    """Predictions and labels from Python are recorded as the class that they mean; what is not a class is refused."""
    monitor = ModelMonitor("films", ledger=MemoryLedger())
    shares = {"FALSE": 0.2, "TRUE": 0.8}
    for predicted, actual in ((True, 1), ("true", np.bool_(True)), (1, "TRUE ")):
        monitor.log_prediction(predicted, "a", 0.8, actual, model_version="1", probabilities=shares)
    row = next(iter(monitor.ledger.predictions()))
    assert {row.label for row in monitor.ledger.predictions()} == {"TRUE"}
    assert {label.label for label in monitor.ledger.labels()} == {"TRUE"}
    assert monitor.calculate_performance_metrics()["accuracy"] == 1.0
    with pytest.raises(InputError, match="'perhaps' is not a class"):
        monitor.log_actual(row.id, "perhaps")
    with pytest.raises(InputError, match="no label"):
        monitor.log_actual(row.id, float("nan"))


@pytest.mark.requirement("R-PRED-06", "R-MON-01", "R-MON-02", "R-MON-09")
def test_a_model_name_is_enough_for_the_calls_of_the_requirements(folder: Path) -> None:
    """A bare model name is enough: what is logged with its truth is counted, evaluated and reported."""
    monitor = ModelMonitor("personality_model")
    for number in range(40):
        monitor.log_prediction(
            prediction="Introvert", features=FEATURES, confidence=0.9, actual="Introvert" if number % 4 else "Extrovert"
        )
    metrics = monitor.calculate_performance_metrics(window_hours=24)
    assert (metrics["total_predictions"], metrics["accuracy"]) == (40, 0.75)
    assert metrics["intervals"]["accuracy"][0] < 0.75 < metrics["intervals"]["accuracy"][1]
    assert {"f1_score", "precision", "recall"} <= metrics.keys()
    found = monitor.detect_performance_degradation({"accuracy": 0.98, "f1_score": 0.98}, degradation_threshold=0.05)
    assert found["degradation_detected"] is True
    assert set(found["metrics"]) == {"accuracy", "f1_score"}
    dashboard = monitor.get_monitoring_dashboard_data()
    assert dashboard["total_predictions"] == 40
    assert dashboard["prediction_distribution"] == {"Introvert": 40}
    assert monitor.get_monitoring_dashboard_data(hours=24)["label_coverage"] == 1.0
    assert "# personality_model: monitoring report" in monitor.generate_monitoring_report()
    with SqlLedger.open(f"sqlite:///{folder}/.tiltyard/ledger.db") as ledger:
        assert ledger.prediction_stats("personality_model").total == 40


def test_drift_without_a_champion_reads_cells_as_the_project_says(folder: Path) -> None:
    """Numbers with the project's separators are numbers, in the reference and in inputs, where no version is served."""
    (folder / "tiltyard.toml").write_text(
        '[project]\nname = "fees"\ntask = "tabular-classification"\n'
        '[data]\nsource = "r.csv"\nlabel = "y"\ndecimal = ","\nthousands = "."\n'
    )
    random = np.random.default_rng(2)

    def write(numbers: Any) -> list[str]:
        return [f"{number:_.2f}".replace(".", ",").replace("_", ".") for number in numbers]

    reference = pd.DataFrame({"fee": write(random.normal(5000, 900, 400))})
    for fees, drifted in ((random.normal(5000, 900, 200), False), (random.normal(9000, 900, 200), True)):
        monitor = ModelMonitor(ledger=MemoryLedger())
        for written, fee in zip(write(fees), fees, strict=True):
            monitor.log_prediction("yes", {"fee": written if fee > 5000 else round(float(fee), 2)}, 0.9)
        found = monitor.detect_data_drift(reference)
        assert (found["drift_detected"], found["features"]["fee"]["kind"]) == (drifted, "drift.number")


def test_a_project_around_gives_its_own_names(folder: Path) -> None:
    """In a project's folder the monitor needs no name, takes the project's for its model's, and another as it is."""
    (folder / "tiltyard.toml").write_text(
        '[project]\nname = "sentiment"\ntask = "text-classification"\n[data]\nsource = "r.csv"\ntext = "text"\n'
    )
    assert ModelMonitor().model_name == ModelMonitor("sentiment").model_name == "sentiment-classifier"
    assert ModelMonitor("other").model_name == "other"
    (folder / "tiltyard.toml").unlink()
    with pytest.raises(ProjectError, match=r"No tiltyard\.toml"):
        ModelMonitor()


@pytest.mark.requirement("R-PRED-05")
def test_rows_of_any_shape_are_logged(folder: Path) -> None:
    """A text, a mapping, a Series, a DataFrame of one row and the values of a row are inputs; two rows are refused."""
    ledger = MemoryLedger()
    monitor = ModelMonitor("m", ledger=ledger)
    ids = [
        monitor.log_prediction("a", given, 0.6)
        for given in ("some text", FEATURES, pd.Series(FEATURES), pd.DataFrame([FEATURES]))
    ]
    inputs = [row.input for row in map(ledger.prediction, ids) if row is not None]
    assert inputs == [{"text": "some text"}, FEATURES, FEATURES, FEATURES]
    numbers = {"feature_0": 1, "feature_1": 2.5}
    for given in ([1, 2.5], (1, 2.5), np.array([1, 2.5]), np.array([[1, 2.5]]), pd.Series([1, 2.5]), [[1, 2.5]]):
        row = ledger.prediction(monitor.log_prediction("a", given, 0.6))
        assert row is not None
        assert row.input == numbers
    wrong: Any
    for wrong in (np.zeros((2, 3)), 5, []):
        with pytest.raises(InputError) as refused:
            monitor.log_prediction("a", wrong, 0.6)
        assert refused.value.code == "prediction.features"
    monitor.log_actual(ids[0], "b")
    with pytest.raises(NotFoundError, match="nobody"):
        monitor.log_actual("nobody", "b")


def test_what_is_logged_is_checked_before_anything_is_recorded() -> None:
    """A confidence outside 0 to 1, an unknown class, a wrong number of values or latency is refused by its field."""
    monitor = ModelMonitor("m", ledger=MemoryLedger())
    monitor.__dict__["champion"] = ChampionOfTwoColumns("m", "3", ("no", "yes"))
    good: dict[str, Any] = {"prediction": "yes", "features": [30, 1.5], "confidence": 0.9}
    for changes, field in (
        ({"confidence": 87}, "confidence"),
        ({"confidence": "high"}, "confidence"),
        ({"confidence": float("nan")}, "confidence"),
        ({"prediction": "perhaps"}, "prediction"),
        ({"prediction": ["yes", "no"]}, "prediction"),
        ({"actual": "perhaps"}, "actual"),
        ({"features": [30, 1.5, 2]}, "features"),
        ({"latency_ms": -1}, "latency_ms"),
    ):
        with pytest.raises(InputError) as refused:
            monitor.log_prediction(**{**good, **changes})
        assert refused.value.fields["field"] == field
        assert refused.value.next_step
    assert monitor.ledger.prediction_stats().total == 0
    arrays: dict[str, Any] = {
        "prediction": np.array(["yes"]),
        "features": np.array([[30, 1.5]]),
        "confidence": np.float32(1.0),
    }
    row = monitor.ledger.prediction(monitor.log_prediction(**arrays, actual=np.nan))
    assert row is not None
    assert (row.label, row.version, row.input) == ("yes", "3", {"age": 30, "hours": 1.5})


def test_a_latency_that_nobody_measured_is_absent() -> None:
    """Statistics, dashboard and report give no latency where none was logged, and the mean of those that were."""
    monitor = ModelMonitor("m", ledger=MemoryLedger())
    monitor.log_prediction("yes", {"age": 3}, 0.9)
    dashboard = monitor.get_monitoring_dashboard_data()
    assert (dashboard["avg_latency_ms"], dashboard["operations"]["latency_ms"]) == (None, {})
    assert "0.0 ms" not in monitor.generate_monitoring_report()
    monitor.log_prediction("yes", {"age": 3}, 0.9, latency_ms=12)
    assert monitor.get_monitoring_dashboard_data()["avg_latency_ms"] == 12
    assert monitor.get_monitoring_dashboard_data()["operations"]["latency_ms"]["p95"] == 12
    assert PredictionCollector("m", monitor.ledger).get_prediction_stats()["avg_latency_ms"] == 12


@pytest.mark.requirement("R-MON-03")
def test_degradation_needs_more_than_chance() -> None:
    """A loss that chance may explain is none; nor is one within what is allowed; too few labels give no verdict."""
    few = monitor_of(20).detect_performance_degradation({"accuracy": 0.99})
    assert few["could_not_judge"] == ["accuracy"]
    assert few["degradation_detected"] is False
    some = monitor_of(60)
    accuracy = some.calculate_performance_metrics()["accuracy"]
    by_chance = some.detect_performance_degradation({"accuracy": accuracy + 0.06})
    assert by_chance["metrics"]["accuracy"]["verdict"] == "holds"
    assert "chance" in by_chance["metrics"]["accuracy"]["reason"]
    many = monitor_of(2000)
    accuracy = many.calculate_performance_metrics()["accuracy"]
    assert many.detect_performance_degradation({"accuracy": accuracy + 0.06})["degradation_detected"]
    assert not many.detect_performance_degradation({"accuracy": accuracy + 0.06}, 0.2)["degradation_detected"]
    better = many.detect_performance_degradation({"log_loss": 9.0, "f1_score": 0.1})
    assert {one["verdict"] for one in better["metrics"].values()} == {"holds"}


def test_partial_labels_have_a_caveat() -> None:
    """Where only a part has labels, the coverage is below 1 and a caveat says so."""
    found = monitor_of(400, labelled=100).calculate_performance_metrics()
    assert found["label_coverage"] == 0.25
    assert "may not represent the rest" in found["caveat"]
    assert monitor_of(100).calculate_performance_metrics()["caveat"] == ""


def test_an_argument_that_cannot_be_used_is_refused() -> None:
    """An unknown metric, a threshold that is not a share and invalid hours are named."""
    monitor = ModelMonitor("films", ledger=MemoryLedger())
    with pytest.raises(UsageError, match=r"acuracy.*accuracy"):
        monitor.detect_performance_degradation({"acuracy": 0.9})
    with pytest.raises(UsageError, match="degradation_threshold"):
        monitor.detect_performance_degradation({"accuracy": 0.9}, 5)
    with pytest.raises(UsageError, match="names no metric"):
        monitor.detect_performance_degradation({})
    with pytest.raises(UsageError, match="hours = 0"):
        monitor.get_monitoring_dashboard_data(hours=0)


@pytest.mark.requirement("R-MON-10")
def test_a_report_in_html_has_its_plots_and_the_figures_of_the_markdown(tmp_path: Path) -> None:
    """An HTML report stands alone with its pictures; every figure of the Markdown one is in it too."""
    monitor = monitor_of(300, labelled=200)
    page = monitor.generate_monitoring_report(tmp_path / "new" / "report.html")
    assert (tmp_path / "new" / "report.html").read_text() == page
    assert page.count("<svg") >= 4
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    text = monitor.generate_monitoring_report()
    for words in ("Predictions", "300", "200", "Accuracy", "may not represent the rest"):
        assert words in text
        assert words in page


def test_a_loss_by_few_groups_is_chance() -> None:
    """Rows of one group are not independent evidence of a loss: what is degraded by rows may hold by groups."""
    right = np.repeat(np.arange(20) % 4 != 0, 30)
    rows = label_predictions(np.full(600, "a"), np.where(right, "a", "b"), None, ("a", "b"))
    alone = evaluate_degradation(rows, {"accuracy": 0.83}, baseline_rows=2000)[0]
    together = evaluate_degradation(
        replace(rows, clusters=np.repeat(np.arange(20), 30)), {"accuracy": 0.83}, baseline_rows=2000
    )[0]
    assert alone.verdict == "degraded"
    assert together.verdict == "holds"
    assert together.p_value is not None
    assert together.p_value > 0.1


def test_a_loss_of_any_metric_by_six_groups_is_widened() -> None:
    """Six groups vary by chance more than draws of them show: a p-value of 0.03 by the draws alone is 0.07."""
    groups, place, truth = np.repeat(np.arange(6), 50), np.tile(np.arange(50) // 2, 6), np.tile(["a", "b"], 150)
    right = place < 25 * np.array([0.9, 0.85, 0.8, 0.75, 0.7, 0.8])[groups]
    rows = label_predictions(truth, np.where(right, truth, np.where(truth == "a", "b", "a")), None, ("a", "b"))
    one = evaluate_degradation(replace(rows, clusters=groups), {"f1": 0.87}, baseline_rows=2000)[0]
    assert one.verdict == "holds"
    assert one.p_value == pytest.approx(0.07, abs=0.015)
