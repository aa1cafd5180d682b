"""The documents' two lines, ``detect_drift(collector.get_recent_predictions(limit=100))``, and data that vanished."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tiltyard import MLOpsPipeline, ModelMonitor, PredictionCollector, detect_drift
from tiltyard.drift.profiles import Rows, build_reference
from tiltyard.drift.recent_predictions import RecentPredictions, VersionReference, detectable_shift
from tiltyard.errors import UsageError
from tiltyard.result_display import ShownResult
from tiltyard.settings import Settings
from tiltyard.testing import MemoryLedger
from tiltyard.validation import DataValidator


def make_frame(rows: int, seed: int = 0, moved: float = 0.0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({"age": random.normal(40 + moved, 9, rows), "job": random.choice(["a", "b"], rows)})


def make_lines(frame: pd.DataFrame, version: str = "1") -> list[dict[str, Any]]:
    return [
        {"features": row, "prediction": "yes", "confidence": 0.9, "model_version": version, "timestamp": f"{place:05}"}
        for place, row in enumerate(frame.to_dict("records"))
    ]


def log_rows(inputs: Any) -> ModelMonitor:
    monitor = ModelMonitor("m", ledger=MemoryLedger())
    for row in inputs:
        monitor.log_prediction("yes", row, 0.9)
    return monitor


@pytest.mark.requirement("R-MON-05")
def test_a_hundred_predictions_are_enough() -> None:
    """The newer 50 are compared with the older 50: a large shift is drift, and no drift comes with its power."""
    monitor = log_rows(make_frame(100).to_dict("records"))
    clear = detect_drift(PredictionCollector("m", monitor.ledger).get_recent_predictions(limit=100))
    assert (clear["status"], clear["predictions"]) == ("clear", 50)
    assert 0.2 < clear["detectable_shift"] < 0.5
    assert "with a probability of 80 %" in clear["message"]
    moved = detect_drift(make_lines(pd.concat([make_frame(50), make_frame(50, 1, moved=30)])))
    assert moved["drift_detected"]


@pytest.mark.parametrize("rows", [30, 50])
def test_small_windows_keep_the_rate_of_false_alarms(rows: int) -> None:
    """Of 60 comparisons of a few undrifted rows, at most a tenth finds drift (accepted: a twentieth)."""
    alarms = [detect_drift(make_lines(make_frame(2 * rows, seed)))["drift_detected"] for seed in range(60)]
    assert sum(alarms) <= 6


def test_the_reference_of_the_version_comes_first() -> None:
    """Lines of the champion are compared with its training, and so are the inputs of other versions' lines."""
    training = make_frame(400, 7)
    profile = build_reference(Rows(training, np.array(["yes"] * 400, object), np.full(400, 0.9)))
    recent = RecentPredictions(make_lines(make_frame(80, 1, moved=30), "3"), lambda: VersionReference("3", profile))
    found = detect_drift(recent)
    assert (found["compared_with"], found["predictions"]) == ("the training of version 3", 80)
    assert found["features"]["age"]["drift_detected"]
    other = RecentPredictions(make_lines(make_frame(80, 1), "2"), lambda: VersionReference("3", profile))
    inputs = detect_drift(other)
    assert inputs["compared_with"] == "the training of version 3, by inputs alone: other versions predicted"
    assert set(inputs["features"]) == {"age", "job"}
    assert detect_drift(RecentPredictions(make_lines(make_frame(80, 1)), lambda: None))["compared_with"] == (
        "the older half of the predictions"
    )


def test_traffic_that_is_all_foreign_is_drift() -> None:
    """Where all recent inputs are foreign their halves are alike: the champion's training shows it, for any version."""
    profile = build_reference(Rows(make_frame(400, 7), np.array(["yes"] * 400, object), np.full(400, 0.9)))
    for version in ("3", "unknown"):
        lines = make_lines(make_frame(120, 1, moved=40), version)
        recent = RecentPredictions(lines, lambda: VersionReference("3", profile))
        assert detect_drift(recent)["drift_detected"]
        assert detect_drift(recent[:60])["drift_detected"]
        halves = detect_drift(list(recent))
        assert halves["status"] == "clear"
        assert "cannot show drift that all of the predictions share" in halves["message"]


def test_waiting_is_advised_only_where_it_helps() -> None:
    """Too few predictions ask for more of them, and a reference that is too small asks for a larger one."""
    assert "get_recent_predictions(limit=" in detect_drift(make_lines(make_frame(20)))["next_step"]
    small = detect_drift(make_lines(make_frame(100)), make_lines(make_frame(10)))
    assert "waiting does not help" in small["next_step"]


def test_predictions_without_inputs_are_compared_by_their_labels() -> None:
    """Lines that hold predictions alone find a shift of the predicted labels."""
    lines = [{"prediction": "yes" if place < 50 else "no"} for place in range(100)]
    found = detect_drift(pd.DataFrame(lines))
    assert [name for name, test in found["features"].items() if test["drift_detected"]] == ["prediction"]


def test_the_detectable_shift_has_its_power() -> None:
    """A shift of the detectable size is found in about 80 % of simulated comparisons of shares."""
    from scipy.stats import fisher_exact

    shift = detectable_shift(100, 100, 1, 0.05)
    random = np.random.default_rng(2)
    before, now = random.binomial(100, 0.5 - shift / 2, 200), random.binomial(100, 0.5 + shift / 2, 200)
    found = [
        fisher_exact(np.array([[b, 100 - b], [n, 100 - n]])).pvalue <= 0.05 for b, n in zip(before, now, strict=True)
    ]
    assert 0.65 < np.mean(found) < 0.92


@pytest.mark.requirement("R-MON-04")
def test_vanished_data_is_never_no_drift() -> None:
    """A column that is gone, rows without a common column and an empty window are drift, or not evaluated."""
    reference = make_frame(150)
    gone = log_rows(reference[["age"]].to_dict("records")).detect_data_drift(reference)
    assert (gone["drift_detected"], gone["not_sent"]) == (True, ["job"])
    foreign = log_rows([{"other": 1}] * 120).detect_data_drift(reference)
    assert foreign["drift_detected"]
    nothing = log_rows([]).detect_data_drift(reference)
    assert (nothing["drift_detected"], nothing["status"]) == (False, "could_not_judge")
    assert "Nothing was sent" in nothing["message"]
    assert DataValidator().validate_drift(reference, reference[["age"]][:20], adversarial=False).drift_detected
    with pytest.raises(UsageError, match="no rows"):
        DataValidator().validate_drift(reference, reference[:0])


def test_arrays_without_names_are_compared_by_their_places() -> None:
    """Rows that were logged as arrays take the columns of the reference, and a matrix the names that were sent."""
    reference = make_frame(150)
    by_place = log_rows(reference.to_numpy()).detect_data_drift(reference)
    assert (by_place["status"], by_place["not_sent"]) == ("clear", [])
    assert set(by_place["features"]) == {"age", "job"}
    named = log_rows(reference.to_dict("records"))
    for form in (reference.to_numpy(), reference.to_numpy().tolist(), reference.to_dict("list")):
        assert named.detect_data_drift(form)["status"] == "clear"
    with pytest.raises(UsageError, match="3 columns without names, and 2 are expected"):
        named.detect_data_drift(np.zeros((10, 3)))


def test_a_production_report_takes_matrices_and_sees_lost_columns(tmp_path: Any) -> None:
    """``monitor_production_model`` compares a matrix by its places, and a lost column of a few rows is drift."""
    settings = Settings(state=tmp_path)
    reference = make_frame(150)
    with MLOpsPipeline("e", "m", settings=settings) as pipeline:
        assert not pipeline.monitor_production_model(reference.to_numpy(), reference)["drift_detected"]
        assert pipeline.monitor_production_model(reference[["age"]][:20], reference)["drift_detected"]


def test_results_print_shortly_and_stay_dictionaries() -> None:
    """The monitor's results are dictionaries with the documents' keys that print within 40 lines and show in HTML."""
    monitor = log_rows(make_frame(60).to_dict("records"))
    results: tuple[Any, ...] = (
        monitor.get_monitoring_dashboard_data(hours=24),
        monitor.calculate_performance_metrics(),
        monitor.detect_performance_degradation({"accuracy": 0.85, "f1_score": 0.83}),
        monitor.detect_data_drift(make_frame(150)),
        PredictionCollector("m", monitor.ledger).get_prediction_stats(),
    )
    for result in results:
        assert isinstance(result, dict)
        assert len(repr(result).splitlines()) <= 40
        assert isinstance(result, ShownResult)
        assert result._repr_html_().startswith("<table>")
    assert monitor.get_monitoring_dashboard_data()["total_predictions"] == 60
