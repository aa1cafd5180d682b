"""Numbers that Python callers log, the search for a change of their errors, and drift of their residuals."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from tiltyard.errors import InputError
from tiltyard.findings import Finding
from tiltyard.ledger import Label, Prediction, PredictionStats
from tiltyard.monitoring import ModelMonitor, PredictionCollector
from tiltyard.monitoring.change_detection import change_findings
from tiltyard.monitoring.labels.residuals import residual_findings
from tiltyard.monitoring.labels.sample_check import check_label_sample
from tiltyard.monitoring.prediction_window import PredictionWindow
from tiltyard.project import MonitoringSection
from tiltyard.registry.package.holdout_predictions import HoldoutNumbers
from tiltyard.testing import NOON, MemoryLedger, make_prediction

LIMITS = MonitoringSection()


def test_a_logged_number_is_kept_with_its_interval_and_label() -> None:
    """A number without a confidence is one of a regression, by both doors, and its label is a number too."""
    ledger = MemoryLedger()
    monitor, collector = ModelMonitor("rents", ledger=ledger), PredictionCollector("rents", ledger)
    logged = monitor.log_prediction(np.array([204.5]), {"size": 80}, actual=210, interval=(180.0, None))
    other = collector.log_prediction({"size": 70}, np.float32(190), interval=[170, 200])
    first, second = ledger.prediction(logged), ledger.prediction(other)
    assert first is not None
    assert second is not None
    assert (first.label, first.confidence, first.probabilities, first.interval) == ("204.5", None, {}, (180.0, None))
    assert (second.label, second.interval) == ("190", (170.0, 200.0))
    assert [label.label for label in ledger.labels()] == ["210"]
    monitor.log_actual(other, "199.50")
    assert sorted(label.label for label in ledger.labels()) == ["199.5", "210"]
    metrics: Any = monitor.calculate_performance_metrics()
    assert metrics["mae"] == pytest.approx((5.5 + 9.5) / 2)
    stats: PredictionStats = ledger.prediction_stats("rents")
    assert (stats.total, stats.mean_confidence) == (2, None)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"prediction": float("nan")}, "prediction"),
        ({"prediction": float("inf")}, "prediction"),
        ({"interval": (3, 1)}, "interval"),
        ({"interval": (1,)}, "interval"),
        ({"interval": "wide"}, "interval"),
        ({"actual": float("inf")}, "actual"),
        ({"actual": "dear"}, "actual"),
        ({"prediction": "dear"}, "confidence"),
        ({"prediction": "dear", "confidence": 0.5, "interval": (1, 2)}, "interval"),
    ],
)
def test_what_is_not_a_number_is_refused_by_its_field(values: dict[str, Any], field: str) -> None:
    """Nothing is recorded of a number, interval or truth that cannot be one."""
    ledger = MemoryLedger()
    with pytest.raises(InputError) as refused:
        ModelMonitor("rents", ledger=ledger).log_prediction(**{"prediction": 1.5, "features": {"size": 1}, **values})
    assert refused.value.fields["field"] == field
    assert list(ledger.predictions()) == []


def make_stream(errors: np.ndarray[Any, Any], units: list[str] | None = None) -> list[tuple[Prediction, Label]]:
    """Predictions of 100, missed by these errors."""
    rows = []
    for place, error in enumerate(errors):
        at = NOON + timedelta(minutes=place)
        row = make_prediction(at=at, label="100", confidence=None, probabilities={}, unit=units and units[place])
        rows.append((row, Label(row.id, repr(100.0 + float(error)), at, "test")))
    return rows


def find_change(errors: np.ndarray[Any, Any], units: list[str] | None = None, mae: float | None = 1.0) -> Finding:
    [found] = change_findings(make_stream(errors, units), LIMITS, None, mae, target="number")
    return found


def test_a_rise_of_the_error_is_found_with_its_time() -> None:
    """Errors that double from one row on are found, in the unit of the label, about where they doubled."""
    random = np.random.default_rng(1)
    errors = np.concatenate([random.normal(0, 1.25, 400), random.normal(0, 3.0, 300)])
    found = find_change(errors)
    assert (found.status, found.subject) == ("found", "mae")
    assert abs(found.evidence["position"] - 400) < 60
    assert found.evidence["cap"] == 3.0
    assert "The error rose on" in found.message
    assert found.score is not None
    assert 0.5 < found.score < 1.5


def test_constant_errors_seldom_seem_to_rise() -> None:
    """Errors with heavy tails that stay as they are raise an alarm in at most the accepted share of the streams."""
    random = np.random.default_rng(2)
    alarms = sum(find_change(random.standard_t(2, 400)).is_found for _ in range(30))
    assert alarms <= binom.ppf(0.999, 30, LIMITS.false_alarm_rate)


def test_errors_of_one_request_are_one_value() -> None:
    """Where the rows of a request are missed alike, requests are searched, and not rows."""
    random = np.random.default_rng(3)
    errors = np.repeat(random.standard_t(3, 60), 20) + random.normal(0, 0.01, 1200)
    units = [f"r{place // 20:016x}" for place in range(1200)]
    found = find_change(errors, units)
    assert "60 requests, callers or groups" in found.message


@pytest.mark.parametrize("mae", [None, 0.0, float("nan")])
def test_without_an_error_at_training_nothing_is_searched(mae: float | None) -> None:
    """The cap is in the measure of the training's error; without one, the search says so."""
    found = find_change(np.ones(100), mae=mae)
    assert found.status == "could_not_judge"
    assert "no mean absolute error above 0" in found.message


def make_window(errors: np.ndarray[Any, Any], units: list[str] | None = None) -> PredictionWindow:
    pairs = make_stream(errors, units)
    truth = {row.id: label for row, label in pairs}
    return PredictionWindow("rents", NOON, None, tuple(row for row, _ in pairs), truth)


def held_out(errors: np.ndarray[Any, Any]) -> bytes:
    return HoldoutNumbers(errors, np.zeros(len(errors))).to_bytes()


def test_residuals_that_moved_to_one_side_are_found() -> None:
    """Errors of the same size that are now mostly on one side are drift of the residuals."""
    random = np.random.default_rng(4)
    reference = held_out(random.normal(0, 1, 300))
    [same] = residual_findings(make_window(random.normal(0, 1, 300)), reference, LIMITS)
    [moved] = residual_findings(make_window(np.abs(random.normal(0, 1, 300))), reference, LIMITS)
    assert (same.status, moved.status) == ("clear", "found")
    assert moved.evidence["mean"] == pytest.approx(0.8, abs=0.15)
    assert "tiltyard retrain" in moved.next_step


def test_residuals_of_one_request_count_once() -> None:
    """A request of many rows that are missed alike is one residual."""
    random = np.random.default_rng(5)
    errors = np.repeat(random.normal(0, 1, 120), 5)
    units = [f"r{place // 5:016x}" for place in range(600)]
    [found] = residual_findings(make_window(errors, units), held_out(random.normal(0, 1, 300)), LIMITS)
    assert found.evidence["rows"] == 120


def test_residuals_that_cannot_be_compared_say_so() -> None:
    """Without held-out rows, with few labels, or with a damaged file there is a reason."""
    window = make_window(np.ones(50))
    for content, reason in ((None, "fewer than 30 held-out rows"), (b"nothing", "cannot be read")):
        [found] = residual_findings(window, content, LIMITS)
        assert found.status == "could_not_judge"
        assert reason in found.message
    [few] = residual_findings(replace(window, truth={}), held_out(np.ones(50)), LIMITS)
    assert "0 labelled predictions are too few" in few.message


@pytest.mark.parametrize(("cheap_only", "what"), [(True, ["number"]), (False, [])])
def test_labels_of_cheap_flats_only_are_said_to_be_no_sample(cheap_only: bool, what: list[str]) -> None:
    """Where labels come for small predicted numbers only it is found, with both medians; by chance it is not."""
    random = np.random.default_rng(5)
    numbers = random.lognormal(7, 0.5, 400)
    rows = tuple(
        make_prediction(
            at=NOON + timedelta(minutes=place), label=repr(float(number)), confidence=None, probabilities={}
        )
        for place, number in enumerate(numbers)
    )
    chosen = numbers < np.quantile(numbers, 0.4) if cheap_only else random.random(400) < 0.4
    truth = {
        row.id: Label(row.id, row.label, row.at + timedelta(minutes=1), "test")
        for row, mine in zip(rows, chosen, strict=True)
        if mine
    }
    window = PredictionWindow("rents", NOON, NOON + timedelta(days=9), rows, truth)
    [found] = check_label_sample(window, truth, (), 0.05)
    assert found.status == ("found" if cheap_only else "clear")
    assert [one["what"] for one in found.evidence["differences"]] == what
    assert ("the median of the predicted numbers is 696.1 in the labelled and 1,377 in" in found.message) == cheap_only
