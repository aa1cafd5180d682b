"""Drift as the requirements call it."""

from __future__ import annotations

import doctest
import json
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import tiltyard
from tiltyard.drift import DomainClassifier, DriftOptions, DriftRequest, detect_data_drift, detect_drift, evaluate_drift
from tiltyard.drift.detectors import domain_classifier as domain
from tiltyard.drift.profiles import Rows, build_reference, profile_rows
from tiltyard.errors import DataError, InputError, UsageError
from tiltyard.monitoring import ModelMonitor, PredictionCollector
from tiltyard.testing import NOON, MemoryLedger, make_prediction

WORDS = np.array([f"word{n}" for n in range(200)])


def lines(rows: int, *, first: int = 0, words: int = 200, seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "text": " ".join(rng.choice(WORDS[:words], 8)),
            "prediction": str(rng.choice(["positive", "negative"])),
            "confidence": float(rng.uniform(0.5, 1)),
            "timestamp": (NOON + timedelta(minutes=first + row)).isoformat(),
        }
        for row in range(rows)
    ]


def frame(rows: int, seed: int, moved: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"age": rng.normal(40 + moved, 10, rows), "plan": rng.choice(["a", "b"], rows)})


@pytest.mark.requirement("R-MON-05")
def test_detect_drift_of_recent_predictions() -> None:
    """The newer half is compared with the older: alike, it is clear; with other words, drift is found."""
    same = detect_drift(lines(600)[::-1])
    assert (same["drift_detected"], same["status"], same["predictions"]) == (False, "clear", 300)
    other = tiltyard.detect_drift(lines(300) + lines(300, first=300, words=60, seed=1))
    assert other["drift_detected"] is True
    assert other["features"]["text"]["drift_detected"]
    assert other["compared_with"] == "the older half of the predictions"
    json.dumps(other)


def test_detect_drift_against_a_reference() -> None:
    """A version's reference profile, or earlier lines, take the place of the older half; tables work alike."""
    earlier = frame(500, 0)
    recent = [
        {"features": row, "prediction": "yes", "confidence": 0.9, "timestamp": "x"}
        for row in frame(200, 1, moved=8).to_dict("records")
    ]
    reference = build_reference(Rows(earlier, np.full(500, "yes", object), np.full(500, 0.9)))
    found = detect_drift(recent, reference)
    assert found["features"]["age"]["drift_detected"]
    assert not found["features"]["plan"]["drift_detected"]
    before = [dict(line, features=row) for line, row in zip(recent, frame(200, 2).to_dict("records"), strict=True)]
    assert detect_drift(recent, before)["features"]["age"]["drift_detected"]


@pytest.mark.parametrize("given", [[], lines(20)])
def test_too_few_predictions_are_no_alarm(given: list[dict[str, Any]]) -> None:
    """Too few predictions raise no error and no alarm."""
    found = detect_drift(given)
    assert (found["drift_detected"], found["status"]) == (False, "could_not_judge")
    assert found["next_step"]


def test_a_line_without_inputs_is_refused_by_its_place() -> None:
    """A line that is not a prediction is refused, and the message says which it is."""
    with pytest.raises(InputError, match="Line 1"):
        detect_drift([lines(1)[0], {"x": 1}])


def test_the_collector_detects_drift_of_recorded_predictions() -> None:
    """The collector compares the predictions that its ledger has."""
    ledger = MemoryLedger()
    ledger.record([make_prediction(at=NOON + timedelta(seconds=row), input=line) for row, line in enumerate(
        {"text": line["text"]} for line in lines(250) + lines(250, words=50)
    )])  # fmt: skip
    found = PredictionCollector("films", ledger).detect_drift()
    assert found["drift_detected"] is True
    assert PredictionCollector("songs", ledger).detect_drift()["status"] == "could_not_judge"


@pytest.mark.requirement("R-MON-04")
def test_detect_data_drift_feature_by_feature() -> None:
    """Each feature of the reference is compared by itself; columns that no row has are drift."""
    reference = frame(800, 0).assign(label="yes")
    found = detect_data_drift(reference, [dict(row) for _, row in frame(300, 5, moved=8).iterrows()])
    assert found["drift_detected"] is True
    assert found["features"]["age"]["score"] > found["features"]["age"]["limit"] == 0.1
    assert not found["features"]["plan"]["drift_detected"]
    assert found["not_sent"] == ["label"]
    assert found["features"]["label"]["drift_detected"]
    looser = detect_data_drift(reference.drop(columns="label"), frame(300, 1, moved=8), DriftRequest(0.9))
    assert looser["drift_detected"] is False
    assert detect_data_drift(reference, [])["status"] == "could_not_judge"
    with pytest.raises(UsageError, match="drift_threshold"):
        detect_data_drift(reference, [], DriftRequest(0))


def test_the_classifier_sees_what_columns_hide() -> None:
    """Columns that are each alike and no longer go together are found by the domain classifier alone."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=600), rng.normal(size=600)
    reference = pd.DataFrame({"x": x, "y": y})
    now = pd.DataFrame({"x": x[:300], "y": np.sign(x[:300]) * np.abs(y[:300])})
    assert not detect_data_drift(reference, now)["drift_detected"]
    found = detect_data_drift(reference, now, DriftRequest(domain_classifier=True))
    assert found["drift_detected"]
    assert found["features"]["rows"]["method"] == "domain-classifier"
    texts = [line["text"] for line in lines(200)], [line["text"] for line in lines(200, words=150, seed=2)]
    assert detect_data_drift(*texts, DriftRequest(domain_classifier=True))["features"]["rows"]["drift_detected"]


def test_domain_classifier_keeps_its_rate() -> None:
    """Over 12 windows of the reference's distribution, it alarms at 0.05 no more often than that and chance."""
    classifier = DomainClassifier(folds=3)
    p_values = [classifier.compare(frame(90, seed), frame(60, 1000 + seed)).p_value for seed in range(12)]
    assert sum(p <= 0.05 for p in p_values) <= stats.binom.ppf(0.999, 12, 0.05)
    assert doctest.testmod(domain).failed == 0
    with pytest.raises(DataError, match="needs 30"):
        classifier.compare(frame(20, 0), frame(60, 1))
    with pytest.raises(DataError, match="no column"):
        classifier.compare(frame(60, 0), pd.DataFrame({"z": range(60)}))


@pytest.mark.requirement("R-MON-15")
def test_the_domain_classifier_draws_a_sample_of_many_rows() -> None:
    """Of large sides so many rows are drawn as are allowed, the same ones again with the same seed."""
    many = frame(400, 0), frame(300, 1, moved=8)
    drawn = [DomainClassifier(folds=2, most_rows=60).separate(*many) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert (drawn[0].rows, drawn[0].auc > 0.6) == (120, True)


def test_the_monitor_compares_recent_inputs_with_a_frame() -> None:
    """The monitor compares the inputs of the last hours with a frame, or with the training of the champion."""
    ledger = MemoryLedger()
    monitor = ModelMonitor("people", ledger=ledger)
    for row in frame(150, 5, moved=8).to_dict("records"):
        monitor.log_prediction("yes", row, 0.9)
    found = monitor.detect_data_drift(frame(500, 0), drift_threshold=0.1)
    assert found["drift_detected"] is True
    assert found["features"]["age"]["drift_detected"]
    assert monitor.detect_data_drift(frame(500, 0), drift_threshold=0.9)["drift_detected"] is False
    untrained = monitor.detect_data_drift()
    assert untrained["status"] == "could_not_judge"
    assert "tiltyard train" in untrained["next_step"]


def test_later_dates_are_no_drift() -> None:
    """A column of dates is not profiled: the next month's dates, few or many, are never drift."""
    days = pd.Series(pd.date_range("2024-01-01", periods=8).as_unit("us"))
    known = build_reference(Rows(pd.DataFrame({"day": days.iloc[np.arange(400) % 8].array, "fee": np.arange(400.0)})))
    later = pd.DataFrame({"day": ["2024-03-05"] * 400, "fee": np.arange(400.0)})
    tests = evaluate_drift(known, profile_rows(known.layout, Rows(later)), DriftOptions()).tests
    assert {test.subject for test in tests} == {"fee"}
    assert not any(test.drifted for test in tests)
