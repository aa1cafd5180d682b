"""A rise of a version's error rate is found and dated, and unchanged errors raise no alarm."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from river.drift import ADWIN

from tests.monitoring.sample_predictions import make_labelled_predictions, make_monitored_version
from tiltyard.evaluation.resampling.error_units import arrange_stream
from tiltyard.findings import Finding
from tiltyard.ledger import Label, Prediction
from tiltyard.monitoring.change_detection import (
    CLOCK,
    DELTA_SHARE,
    GRACE_PERIOD,
    MIN_PART,
    change_findings,
    detect_error_rise,
    locate_changes,
)
from tiltyard.monitoring.run import evaluate_period
from tiltyard.project import Project
from tiltyard.testing import NOON, MemoryLedger

RATE = 0.05


def make_errors(*parts: tuple[int, float], seed: int = 0) -> NDArray[np.bool_]:
    """Independent errors, part by part: (rows, rate)."""
    random = np.random.default_rng(seed)
    return np.concatenate([random.random(rows) < rate for rows, rate in parts])


@pytest.mark.parametrize("rate", [0.05, 0.15, 0.4])
def test_unchanged_errors_raise_no_alarm(rate: float) -> None:
    """Of 1,000 streams with a constant error rate, at most the accepted share of 5 % ever show a rise."""
    alarms = 0
    for seed in range(1000):
        errors = make_errors((1000, rate), seed=seed)
        edges = [0, *locate_changes(errors, RATE * DELTA_SHARE), len(errors)]
        means = [errors[start:end].mean() for start, end in pairwise(edges)]
        alarms += any(later > earlier for earlier, later in pairwise(means))
    assert alarms <= 1000 * RATE


@pytest.mark.requirement("R-MON-22")
def test_a_rise_is_found_where_it_took_place() -> None:
    """A rise from 10 % to 25 % after 1,500 rows is found in every stream, within 300 rows, with both rates."""
    for seed in range(20):
        rise = detect_error_rise(make_errors((1500, 0.1), (1500, 0.25), seed=seed), RATE)
        assert rise is not None
        assert abs(rise.position - 1500) < 300
        assert rise.rate_before == pytest.approx(0.1, abs=0.04)
        assert rise.rate == pytest.approx(0.25, abs=0.06)
        assert rise.loss == pytest.approx((rise.rate - rise.rate_before) / (1 - rise.rate_before))


def test_a_fall_is_no_rise_and_ends_one() -> None:
    """A version that makes fewer errors, or that recovered after a rise, has no rise."""
    assert detect_error_rise(make_errors((1500, 0.4), (1500, 0.1)), RATE) is None
    assert detect_error_rise(make_errors((1000, 0.1), (1000, 0.4), (1500, 0.1)), RATE) is None


def test_a_slow_decay_is_one_rise_from_its_beginning() -> None:
    """Rises that follow one another count from the rate before the first of them."""
    rise = detect_error_rise(make_errors((2000, 0.05), (1500, 0.2), (1500, 0.4)), RATE)
    assert rise is not None
    assert rise.rate_before == pytest.approx(0.05, abs=0.02)
    assert rise.rate == pytest.approx(0.4, abs=0.06)
    assert abs(rise.position - 2000) < 300


@settings(max_examples=15, deadline=None, database=None)
@given(
    seed=st.integers(0, 2**31), rate=st.sampled_from([0.0, 0.05, 0.3, 0.8, 1.0]), delta=st.sampled_from([0.002, 0.2])
)
def test_a_change_is_found_exactly_where_river_detects_a_drift(seed: int, rate: float, delta: float) -> None:
    """A stream has a change where river's ADWIN detects a drift, before the row of the detection; otherwise none."""
    errors = make_errors((600, 0.2), (600, rate), seed=seed)
    detector = ADWIN(delta=delta, clock=CLOCK, min_window_length=MIN_PART, grace_period=GRACE_PERIOD)
    detected = None
    for row, value in enumerate(errors.tolist()):
        detector.update(float(value))
        if detector.drift_detected:
            detected = row
            break
    changes = locate_changes(errors, delta)
    assert bool(changes) == (detected is not None)
    if detected is not None:
        assert MIN_PART <= changes[0] < detected
        assert changes == sorted(set(changes))


def test_a_clean_change_is_located_to_the_row() -> None:
    """Where all rows before are right and all rows after are wrong, the change is the first wrong row."""
    assert locate_changes(make_errors((777, 0.0), (300, 1.0)), 0.01) == [777]


def test_few_rows_show_no_change() -> None:
    """No rows, one row, and rows that are all right or all wrong have no change."""
    for errors in (make_errors((0, 0.5)), make_errors((1, 0.5)), make_errors((500, 0.0)), make_errors((500, 1.0))):
        assert locate_changes(errors, 0.2) == []
        assert detect_error_rise(errors, 1.0) is None


def make_project(**monitoring: object) -> Project:
    return Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification", "model": "films"},
            "data": {"source": "reviews.csv", "text": "text", "positive": "positive"},
            "monitoring": monitoring,
        }
    )


def make_decaying(rows: int = 1000) -> tuple[list[Prediction], list[Label]]:
    """Labelled predictions that are as good as at training, and as many that are hardly better than chance."""
    good, their_labels = make_labelled_predictions(rows, 1)
    bad, other_labels = make_labelled_predictions(rows, 2, at=NOON + timedelta(hours=6), truthful=0.1)
    return good + bad, their_labels + other_labels


def monitor(ledger: MemoryLedger, project: Project) -> list[Finding]:
    result = evaluate_period(project, ledger, make_monitored_version(), until=NOON + timedelta(hours=12))
    return [finding for finding in result.findings if finding.code == "performance.change"]


@pytest.mark.requirement("R-MON-22")
def test_a_monitoring_run_finds_and_dates_the_change() -> None:
    """The finding is a warning that names the time, both accuracies, the loss and the limit."""
    ledger = MemoryLedger()
    rows, labels = make_decaying()
    ledger.record(rows)
    ledger.record_labels(labels)
    (finding,) = monitor(ledger, make_project())
    assert (finding.status, finding.severity, finding.subject) == ("found", "warning", "accuracy")
    assert finding.score is not None
    assert finding.score > (finding.limit or 1)
    assert "rose on 2026-03-01 1" in finding.message
    assert finding.evidence["rows_before"] == pytest.approx(1000, abs=200)
    assert finding.evidence["changed_at"].startswith("2026-03-01T1")
    assert finding.next_step


def test_a_loss_that_is_allowed_is_clear() -> None:
    """A rise within ``max_loss`` is reported, and is not a problem."""
    ledger = MemoryLedger()
    rows, labels = make_decaying()
    ledger.record(rows)
    ledger.record_labels(labels)
    (finding,) = monitor(ledger, make_project(max_loss=0.9))
    assert (finding.status, finding.severity) == ("clear", "info")
    assert "rose on" in finding.message


@pytest.mark.parametrize("count", [50, 800])
def test_errors_of_numbers_are_not_searched_however_many(count: int) -> None:
    """Predicted numbers have no accuracy: few or many are undecided by their own metric, and no label is missed."""
    rows, labels = make_labelled_predictions(count)
    numbers = [replace(row, label="12.5", confidence=None, probabilities={}) for row in rows]
    (finding,) = change_findings(list(zip(numbers, labels, strict=True)), make_project().monitoring, target="number")
    assert (finding.status, finding.subject) == ("could_not_judge", "mae")
    assert "needed" not in finding.message


def test_numbers_without_a_label_yet_are_undecided_by_their_own_metric() -> None:
    """Nothing shows that the version predicts numbers but the version itself: there is no accuracy of it."""
    (finding,) = change_findings([], make_project().monitoring, None, 50.0, target="number")
    assert (finding.status, finding.subject) == ("could_not_judge", "mae")


def test_without_a_change_it_is_clear_and_with_few_labels_it_could_not_judge() -> None:
    """Unchanged errors are clear; fewer labels than ``min_rows`` are undecided; switched off there is no finding."""
    rows, labels = make_labelled_predictions(800)
    few = list(zip(rows, labels, strict=True))[:50]
    (untested,) = change_findings(few, make_project().monitoring)
    assert untested.status == "could_not_judge"
    assert "100 are needed" in untested.message
    ledger = MemoryLedger()
    ledger.record(rows)
    ledger.record_labels(labels)
    assert [finding.status for finding in monitor(ledger, make_project())] == ["clear"]
    assert monitor(ledger, make_project(detect_changes=False)) == []


def test_late_labels_take_the_place_of_their_predictions() -> None:
    """The order is that of the predictions, whenever their labels came."""
    rows, labels = make_decaying()
    late = [Label(label.prediction_id, label.label, NOON + timedelta(hours=11), "late") for label in labels[:300]]
    ledger = MemoryLedger()
    ledger.record(rows)
    ledger.record_labels(labels[300:] + late)
    (finding,) = monitor(ledger, make_project())
    assert finding.evidence["rows_before"] == pytest.approx(1000, abs=200)


def make_units(units: int, rows: int, *, alike: float, seed: int, rise: float = 0.0) -> NDArray[np.bool_]:
    """Errors of units of so many rows, unit after unit; a unit's rate is drawn, about 0.15 and later that and ``rise``.

    Args:
        units: how many.
        rows: of each.
        alike: correlation of two rows of a unit.
        seed: of the draws.
        rise: by how much the rate is higher in the second half.
    """
    random = np.random.default_rng(seed)
    mean = np.where(np.arange(units) < units / 2, 0.15, 0.15 + rise)
    weight = 1 / alike - 1
    return random.random(units * rows) < np.repeat(random.beta(mean * weight, (1 - mean) * weight), rows)


def name_units(units: int, rows: int) -> list[str | None]:
    return [f"r{unit}" for unit in range(units) for _ in range(rows)]


def test_errors_that_come_in_batches_raise_no_alarm() -> None:
    """Of streams whose batches differ at random about their rates hardly any shows a rise; row by row many do."""
    alarms = by_rows = 0
    for seed in range(60):
        errors = make_units(100, 50, alike=0.2, seed=seed)
        stream = arrange_stream(errors, name_units(100, 50))
        assert stream.by_unit
        assert np.array_equal(stream.first, np.arange(100) * 50)
        alarms += detect_error_rise(stream.values, RATE) is not None
        by_rows += detect_error_rise(errors, RATE) is not None
    assert alarms <= 3
    assert by_rows >= 12


def test_a_rise_over_batches_is_found_and_dated() -> None:
    """A rise that all batches share is found by batches, near the row at which it began."""
    found = 0
    for seed in range(20):
        stream = arrange_stream(make_units(500, 10, alike=0.2, seed=seed, rise=0.15), name_units(500, 10))
        rise = detect_error_rise(stream.values, RATE)
        if rise is not None:
            found += 1
            assert abs(stream.first[rise.position] - 2500) < 1000
    assert found >= 15


@settings(max_examples=30, deadline=None, database=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(0, 400))
def test_rows_by_themselves_are_the_stream_as_it_is(seed: int, rows: int) -> None:
    """Where no unit has two rows the stream is that of the rows, to the last digit."""
    errors = make_errors((rows, 0.3), seed=seed)
    units = [None if row % 2 else f"r{row}" for row in range(rows)]
    stream = arrange_stream(errors, units)
    assert not stream.by_unit
    assert np.array_equal(stream.values, errors)
    assert np.array_equal(stream.first, np.arange(rows))


def test_units_whose_rows_have_nothing_in_common_lose_nothing() -> None:
    """Where the errors of one request do not come together, rows count: by units in about 1 % of streams at most."""
    counted = [arrange_stream(make_errors((2000, 0.15), seed=seed), name_units(200, 10)).by_unit for seed in range(300)]
    assert sum(counted) <= 12


def test_a_run_counts_groups_and_requests_and_says_when_they_are_too_few() -> None:
    """Errors of few groups get no verdict; of many, the finding names requests, callers or groups."""
    rows, labels = make_labelled_predictions(3000)
    wrong = make_units(60, 50, alike=0.3, seed=1)
    labelled = [
        (
            replace(row, input={"text": "a film", "@group": f"film {place // 50}"}),
            replace(label, label=row.label if not error else {"negative": "positive"}.get(row.label, "negative")),
        )
        for place, (row, label, error) in enumerate(zip(rows, labels, wrong, strict=True))
    ]
    (few,) = change_findings(labelled, make_project().monitoring, "@group")
    assert few.status == "could_not_judge"
    assert "60 requests, callers or groups" in few.message
    (enough,) = change_findings(labelled, make_project(min_rows=50).monitoring, "@group")
    assert enough.status == "clear"
    assert "60 requests, callers or groups" in enough.message
    sent = [
        (replace(row, input={"text": "a film"}, unit=f"r{place // 50}"), label)
        for place, (row, label) in enumerate(labelled)
    ]
    assert change_findings(sent, make_project().monitoring)[0].status == "could_not_judge"


def test_a_monitoring_run_takes_the_groups_of_the_project() -> None:
    """The key under which the project's groups are recorded reaches the check."""
    rows, labels = make_labelled_predictions(3000)
    wrong = make_units(60, 50, alike=0.3, seed=1)
    ledger = MemoryLedger()
    ledger.record(
        [replace(row, input={"text": "a film", "@group": f"film {place // 50}"}) for place, row in enumerate(rows)]
    )
    ledger.record_labels(
        [
            replace(label, label=row.label if not error else {"negative": "positive"}.get(row.label, "negative"))
            for row, label, error in zip(rows, labels, wrong, strict=True)
        ]
    )
    project = Project.model_validate(make_project().model_dump(exclude_unset=True) | {"split": {"group": "film"}})
    (finding,) = monitor(ledger, project)
    assert (finding.status, "60 requests, callers or groups" in finding.message) == ("could_not_judge", True)
