"""The calls of the requirements return the keys and types that their typed dictionaries name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from tests.monitoring.sample_predictions import make_labelled_predictions, make_monitored_version
from tiltyard.drift import detect_data_drift
from tiltyard.drift.result_types import DriftDetection
from tiltyard.evaluation import Interval
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Event, FindingRecord, new_id
from tiltyard.monitoring import ModelMonitor, PredictionCollector
from tiltyard.monitoring.degradation import Degradation
from tiltyard.monitoring.labels.label_import import ImportReport
from tiltyard.monitoring.result_types import (
    DashboardData,
    DegradationReport,
    PerformanceMetrics,
    PredictionLogLine,
    PredictionStatistics,
)
from tiltyard.testing import MemoryLedger


@pytest.fixture(params=[0, 20, 400], ids=["nothing", "few", "many"])
def ledger(request: pytest.FixtureRequest) -> MemoryLedger:
    """A ledger with so many predictions of the last hour, half of them labelled, a finding and an event."""
    ledger = MemoryLedger()
    rows, labels = make_labelled_predictions(request.param, at=datetime.now(UTC) - timedelta(hours=1))
    ledger.record(rows)
    ledger.record_labels(labels[::2])
    if rows:
        at = datetime.now(UTC) - timedelta(minutes=1)
        finding = FindingRecord(new_id(), at, "films", "1", "drift.verdict", "warning", "all", since=rows[0].at)
        ledger.findings.record([finding])
        ledger.append(Event("promoted", "films/1", at, "ada", "better", {"gates": []}))
    return ledger


@pytest.fixture(params=[True, False], ids=["champion", "no champion"])
def monitor(ledger: MemoryLedger, request: pytest.FixtureRequest) -> ModelMonitor:
    monitor = ModelMonitor("films", ledger=ledger)
    # The champion is read from a registry and its files once; here its figures are enough.
    monitor.__dict__["champion"] = make_monitored_version() if request.param else None
    return monitor


def check(result: Any, kind: Any) -> None:
    """Fail where the result has another type than the typed dictionary says, or a key that it does not name."""
    assert msgspec.to_builtins(msgspec.convert(result, kind)) == result


def test_a_key_that_is_not_named_fails_the_check() -> None:
    """The check of these tests refuses a result with another key, and one with another type."""
    line = {"prediction": "a", "confidence": 0.5, "timestamp": "", "model_version": "1", "prediction_id": "x"}
    check(line, PredictionLogLine)
    with pytest.raises(AssertionError):
        check({**line, "other": 1}, PredictionLogLine)
    with pytest.raises(msgspec.ValidationError):
        check({**line, "confidence": "high"}, PredictionLogLine)


def test_the_monitor_returns_what_its_types_name(monitor: ModelMonitor) -> None:
    """Metrics, degradation and dashboard have exactly the keys and types of their typed dictionaries."""
    check(monitor.calculate_performance_metrics(), PerformanceMetrics)
    check(monitor.detect_performance_degradation({"accuracy": 0.9, "f1_score": 0.8}), DegradationReport)
    check(monitor.get_monitoring_dashboard_data(), DashboardData)


@pytest.mark.parametrize("shift", [0, 1], ids=["alike", "drifted"])
def test_drift_has_the_keys_and_types_that_are_named(ledger: MemoryLedger, monitor: ModelMonitor, shift: int) -> None:
    """Drift of texts and tables, found, clear or undecided, has exactly the keys and types of its typed dictionary."""
    check(monitor.detect_data_drift(), DriftDetection)
    check(monitor.detect_data_drift(["a text of five words"] * 200), DriftDetection)
    check(PredictionCollector("films", ledger).detect_drift(), DriftDetection)
    random = np.random.default_rng(shift)
    before = pd.DataFrame({"x": random.normal(size=300), "c": random.choice(["a", "b"], 300)})
    after = pd.DataFrame(
        {"x": random.normal(3 * shift, size=300), "c": random.choice(["a", "b", "n"][: 2 + shift], 300)}
    )
    after.loc[: 100 * shift, "x"] = np.nan
    found = detect_data_drift(before, after)
    check(found, DriftDetection)
    assert found["drift_detected"] == bool(shift)


def test_the_collector_returns_what_its_types_name(ledger: MemoryLedger) -> None:
    """Statistics and log lines, of texts and of tables, have exactly the keys and types of their typed dictionaries."""
    collector = PredictionCollector("films", ledger)
    collector.log_prediction({"age": 3, "city": "Bonn"}, "positive", 0.6)
    check(collector.get_prediction_stats(), PredictionStatistics)
    check(collector.get_recent_predictions(), list[PredictionLogLine])
    check(PredictionCollector("songs", ledger).get_prediction_stats(), PredictionStatistics)


def test_degradations_and_imports_have_exactly_these_keys() -> None:
    """A degradation and an import report are JSON objects of their fields, in order."""
    degradation = Degradation("accuracy", "degraded", 0.9, 0.7, Interval(0.6, 0.8), 0.22, 0.05, None, "It fell.")
    assert json.dumps(to_json_object(degradation)) == (
        '{"metric": "accuracy", "verdict": "degraded", "baseline": 0.9, "value": 0.7, "interval": [0.6, 0.8], '
        '"loss": 0.22, "allowed": 0.05, "p_value": null, "reason": "It fell."}'
    )
    report = ImportReport(rows=2, stored=1)
    report.note("unknown", "row 2: x")
    assert json.dumps(report.to_dict()) == (
        '{"rows": 2, "stored": 1, "corrected": 0, "repeated": 0, "superseded": 0, "rare": 0, "late": 0, "zoneless": 0, '
        '"unknown": 1, "ambiguous": 0, "unlabelled": 0, "unexpected": 0, "unexpected_labels": {}, "ahead": 0, '
        '"invalid": 0, "examples": {"unknown": ["row 2: x"]}, "set_aside": 1}'
    )
