"""Totals of several workers are the service's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from tiltyard.ledger.codec import encode_predictions
from tiltyard.serving.statistics import Statistics
from tiltyard.testing import NOON, MemoryLedger, make_prediction


def rows(count: int, **fields: Any) -> Any:
    return encode_predictions([make_prediction(**fields) for _ in range(count)])


def test_each_worker_reports_the_counts_of_all(tmp_path: Path) -> None:
    """What any worker counted is in what each reports, with the history once, and survives the worker that counted."""
    ledger = MemoryLedger()
    ledger.record([make_prediction(at=NOON - timedelta(hours=1)) for _ in range(5)])
    one, two = (Statistics(tmp_path, number, "server") for number in range(2))
    assert one.begin(NOON) == NOON
    assert two.begin(NOON + timedelta(minutes=1)) == NOON, "one moment for all workers"
    for worker in (one, two):
        worker.add_history(ledger.prediction_stats(until=NOON))
    one.add(rows(3, confidence=0.5))
    two.add(rows(2, label="negative", confidence=0.9))
    two.write()
    found = one.to_dict()
    assert found == two.to_dict()
    assert (found["total_predictions"], found["complete"]) == (10, True)
    assert found["by_label"] == {"positive": 8, "negative": 2}
    assert (found["min_confidence"], found["max_confidence"]) == (0.5, 0.9)
    again = Statistics(tmp_path, 1, "server")  # the second died, and another takes its place
    again.add_history(ledger.prediction_stats(until=again.begin(NOON + timedelta(hours=1))))
    again.add(rows(1))
    assert again.to_dict()["total_predictions"] == one.to_dict()["total_predictions"] == 11
    again.write()
    assert (again.to_dict()["complete"], one.to_dict()["complete"]) == (False, False), (
        "the second's last counts are lost"
    )
    assert Statistics(tmp_path, 0, "another server").to_dict()["total_predictions"] == 0


def test_a_single_worker_writes_nothing(tmp_path: Path) -> None:
    """Without a folder the counts are this process's."""
    alone = Statistics()
    assert alone.begin(NOON) == NOON
    alone.add(rows(2))
    alone.write()
    assert alone.to_dict()["total_predictions"] == 2
    assert list(tmp_path.iterdir()) == []
