"""The challenger's unseen predictions (route ``shadow``) are not monitored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.monitoring.sample_predictions import make_labelled_predictions, make_monitored_version
from tiltyard.ledger import Prediction, new_id
from tiltyard.monitoring import ModelMonitor, PredictionCollector
from tiltyard.monitoring.labels.label_import import count_labels
from tiltyard.monitoring.labels.labeling_queue import QueueOptions, select_predictions_to_label
from tiltyard.monitoring.run import evaluate_period
from tiltyard.monitoring.summary import SummaryQuery, build_summary
from tiltyard.project import Project
from tiltyard.testing import MemoryLedger

START = datetime.now(UTC) - timedelta(hours=2)
ROWS = 100


@pytest.fixture
def ledger() -> MemoryLedger:
    """A hundred labelled predictions of the champion, each of which the challenger made too, slowly and otherwise."""
    ledger = MemoryLedger()
    rows, labels = make_labelled_predictions(ROWS, at=START)
    ledger.record(rows)
    ledger.record_labels(labels)
    ledger.record([_of_the_shadow(row) for row in rows])
    return ledger


def _of_the_shadow(row: Prediction) -> Prediction:
    return replace(
        row, id=new_id(), key=row.id, route="shadow", version="2", label="unsure", confidence=0.5, latency_ms=900.0
    )


def test_the_monitor_counts_served_predictions_only(ledger: MemoryLedger) -> None:
    """Total, coverage, latency and labels of ``ModelMonitor`` are those of the predictions that callers received."""
    monitor = ModelMonitor("films", ledger=ledger)
    found = monitor.calculate_performance_metrics()
    assert found["total_predictions"] == ROWS
    assert found["label_coverage"] == 1.0
    assert found["caveat"] == ""
    dashboard = monitor.get_monitoring_dashboard_data()
    assert dashboard["total_predictions"] == ROWS
    assert dashboard["version_distribution"] == {"1": ROWS}
    assert (dashboard["avg_latency_ms"] or 900) < 900
    assert dashboard["operations"]["by_route"] == {"champion": ROWS}
    assert dashboard["operations"]["latency_ms"]["p99"] < 900
    assert sum(dashboard["confidence_histogram"]) == ROWS
    assert sum(part["predictions"] for part in dashboard["timeline"]) == ROWS


def test_the_collector_counts_served_predictions_only(ledger: MemoryLedger) -> None:
    """Statistics and recent predictions of ``PredictionCollector`` are those that callers received."""
    collector = PredictionCollector("films", ledger)
    assert collector.get_prediction_stats()["total_predictions"] == ROWS
    assert collector.get_prediction_stats()["sentiment_distribution"].keys() == {"negative", "positive"}
    recent = collector.get_recent_predictions(2 * ROWS)
    assert {line["model_version"] for line in recent} == {"1"}
    assert len(recent) == ROWS


def test_a_monitoring_run_measures_served_predictions_only(ledger: MemoryLedger) -> None:
    """A slow shadow raises no alarm on latency, and the windows before and now hold served predictions alone."""
    project = Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification", "model": "films"},
            "data": {"source": "reviews.csv", "text": "text", "positive": "positive"},
            "monitoring": {"max_latency_ms": 10},
        }
    )
    until = START + timedelta(hours=2)
    seen = evaluate_period(project, ledger, make_monitored_version(), until=until)
    assert seen.operations.predictions == ROWS
    assert {found.status for found in seen.findings if found.code == "operations.latency"} == {"clear"}
    assert seen.performance is not None
    assert (seen.performance.predictions, seen.performance.labelled) == (ROWS, ROWS)
    after = evaluate_period(project, ledger, None, until=until + timedelta(hours=24))
    assert after.operations.predictions_before == ROWS


def test_a_summary_and_the_label_coverage_leave_the_shadow_out(ledger: MemoryLedger) -> None:
    """A summary's statistics, and the share of predictions with labels, are of served predictions."""
    seen = build_summary(
        ledger, SummaryQuery("films"), make_monitored_version(), since=START, until=START + timedelta(hours=2)
    )
    assert seen.stats.total == ROWS
    assert set(seen.by_version) == {("1", "champion")}
    assert count_labels(ledger, "films")["coverage"] == 1.0


def test_a_shadow_takes_no_place_among_the_newest() -> None:
    """Of more predictions than are read, the newest served ones are read, whatever the shadow predicted since."""
    ledger = MemoryLedger()
    rows, _ = make_labelled_predictions(10)
    ledger.record(rows)
    ledger.record([replace(_of_the_shadow(row), at=row.at + timedelta(minutes=1)) for row in rows])
    assert len(select_predictions_to_label(ledger, "films", QueueOptions(20)).candidates) == 10
    assert {line["model_version"] for line in PredictionCollector("films", ledger).get_recent_predictions(10)} == {"1"}
