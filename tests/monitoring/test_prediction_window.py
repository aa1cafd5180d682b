"""The recorded predictions of a period, with what their labels mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tiltyard.evaluation import LabelledPredictions
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Label, Ledger
from tiltyard.ledger.model_events import DECISION
from tiltyard.monitoring.degradation import evaluate_degradation
from tiltyard.monitoring.performance import measure_performance
from tiltyard.monitoring.prediction_window import (
    PredictionWindow,
    read_labelled_predictions,
    read_labelled_window,
    read_prediction_window,
)
from tiltyard.tasks import DecisionRule
from tiltyard.testing import NOON, MemoryLedger, make_event, make_prediction

HOUR = timedelta(hours=1)


def record(classes: tuple[str, str], spelt: tuple[str, str], strange: int = 0) -> Ledger:
    """Twenty predictions, each right by a label in another spelling, and some with a label that is not a class."""
    ledger = MemoryLedger()
    rows = [
        make_prediction(label=classes[n % 2], probabilities=dict.fromkeys(classes, 0.5), at=NOON + n * HOUR)
        for n in range(20 + strange)
    ]
    ledger.record(rows)
    labels = [spelt[n % 2] if n < 20 else "postive" for n in range(len(rows))]
    ledger.record_labels([Label(row.id, label, row.at + HOUR, "old") for row, label in zip(rows, labels, strict=True)])
    return ledger


@pytest.mark.parametrize(
    ("classes", "spelt"),
    [(("0", "1"), ("0.0", "1.0")), (("FALSE", "TRUE"), ("false", "1")), (("bar", "caf\u00e9"), ("bar ", "cafe\u0301"))],
)
def test_recorded_labels_count_by_what_they_mean(classes: tuple[str, str], spelt: tuple[str, str]) -> None:
    """Labels that were recorded in another spelling, before labels were checked, count for the class they mean."""
    ledger = record(classes, spelt)
    performance = measure_performance(read_prediction_window(ledger, "films"))
    assert (performance.labelled, performance.figures["accuracy"].value) == (20, 1.0)
    pairs = read_labelled_predictions(ledger, "films", "1", NOON + 100 * HOUR)
    window = read_labelled_window(ledger, "films", "1", pairs, (NOON, NOON + 100 * HOUR), 5)
    assert measure_performance(window).figures["accuracy"].value == 1.0


def test_a_label_that_the_version_does_not_know_is_never_wrong() -> None:
    """Labels that are not classes of the version count nowhere, and the performance names them."""
    ledger = record(("0", "1"), ("0", "1"), strange=4)
    pairs = read_labelled_predictions(ledger, "films", "1", NOON + 100 * HOUR)
    windows = [
        read_prediction_window(ledger, "films"),
        read_labelled_window(ledger, "films", "1", pairs, (NOON, NOON + 100 * HOUR), 5),
    ]
    for window in windows:
        performance = measure_performance(window)
        assert (performance.predictions, performance.labelled) == (24, 20)
        assert performance.figures["accuracy"].value == 1.0
        assert to_json_object(performance)["unknown_labels"] == {"postive": 4}
        assert "'postive' (4)" in performance.caveat
    assert measure_performance(windows[0].between(NOON, NOON + 20 * HOUR)).caveat == ""


def test_intervals_are_of_the_groups_that_texts_were_sent_with() -> None:
    """Labelled predictions of four films say about as much as four rows; a text without a group is by itself."""
    widths = []
    for films in (4, 80):
        ledger = MemoryLedger()
        rows = [
            make_prediction(
                label="negative" if n % 4 else "positive",
                input={"text": "Fine.", "@group": n % films},
                at=NOON + n * HOUR,
            )
            for n in range(79)
        ]
        rows.append(make_prediction(label="negative", input={"text": "Fine."}, at=NOON + 79 * HOUR))
        ledger.record(rows)
        ledger.record_labels([Label(row.id, "negative", row.at + HOUR, "new") for row in rows])
        window = read_prediction_window(ledger, "films")
        assert window.labelled_predictions().cluster_count == (5 if films == 4 else None)
        interval = measure_performance(window).figures["accuracy"].interval
        assert interval is not None
        widths.append(interval.high - interval.low)
    assert widths[0] > 3 * widths[1]


def make_requests(seed: int, requests: int, size: int, alike: float, caller: str = "") -> PredictionWindow:
    """Labelled rows of which 85 % are right, in requests; ``alike`` is the correlation of two rows of one request."""
    random = np.random.default_rng(seed)
    level = random.beta(0.85 * (1 / alike - 1), 0.15 * (1 / alike - 1), requests) if alike else np.full(requests, 0.85)
    right = random.random((requests, size)) < level[:, None]
    rows = tuple(
        make_prediction(label="positive", unit=caller or f"r{request:016}", at=NOON + timedelta(seconds=request))
        for request in range(requests)
        for _ in range(size)
    )
    truth = {
        row.id: Label(row.id, "positive" if mine else "negative", row.at, "new")
        for row, mine in zip(rows, right.ravel().tolist(), strict=True)
    }
    return PredictionWindow("films", NOON, None, rows, truth)


def test_rows_of_one_request_that_fail_together_are_one_observation() -> None:
    """A healthy version is not found degraded since a few batches were hard; row by row it is in many windows."""
    found = {"requests": 0, "rows": 0}
    for seed in range(40):
        labelled = make_requests(seed, 20, 60, 0.4).labelled_predictions()
        assert isinstance(labelled, LabelledPredictions)
        assert labelled.cluster_count == 20
        for name, rows in (("requests", labelled), ("rows", replace(labelled, clusters=None))):
            (one,) = evaluate_degradation(rows, {"accuracy": 0.85}, baseline_rows=2000)
            found[name] += one.verdict == "degraded"
    assert found["requests"] <= 3
    assert found["rows"] >= 6


def test_requests_of_independent_rows_and_callers_cost_nothing() -> None:
    """Where rows of a request have nothing in common each counts, and so they do where one caller sent them all."""
    counts = [make_requests(seed, 40, 25, 0.0).labelled_predictions().cluster_count for seed in range(20)]
    assert counts.count(None) >= 18
    assert make_requests(1, 40, 25, 0.2, caller="c0000000000000001").labelled_predictions().cluster_count is None


def test_rows_of_a_table_belong_together_by_the_column_of_the_project() -> None:
    """Where the project names a feature as its group, labelled rows of one value are one cluster."""
    rows = tuple(make_prediction(input={"customer": n % 4, "fee": 1.0}) for n in range(40))
    truth = {row.id: Label(row.id, "positive", row.at, "new") for row in rows}
    window = PredictionWindow("films", NOON, None, rows, truth)
    assert window.labelled_predictions().cluster_count is None
    assert replace(window, group_key="customer").labelled_predictions().cluster_count == 4


def test_a_window_is_priced_by_the_rule_that_its_version_decides_by() -> None:
    """Labels make the mean cost with its interval, abstentions at their price; without a rule there is none."""
    ledger = MemoryLedger()
    rule = DecisionRule(classes=("negative", "positive"), costs=((0.0, 1.0), (9.0, 0.0)), abstain_cost=0.4)
    shares = [0.02, 0.2, 0.5, 0.99] * 10
    rows = [
        make_prediction(
            label="positive" if share >= 0.1 else "negative",
            probabilities={"negative": 1 - share, "positive": share},
            at=NOON + number * HOUR,
        )
        for number, share in enumerate(shares)
    ]
    ledger.record(rows)
    ledger.record_labels([Label(row.id, "positive", row.at + HOUR, "people") for row in rows])
    assert "mean_cost" not in measure_performance(read_prediction_window(ledger, "films"), "mean_cost").figures
    evidence = {DECISION: rule.model_dump(mode="json")}
    ledger.append(make_event(kind="registered", subject=f"films/{rows[0].version}", evidence=evidence))
    expected = (9 + 0.4 + 0.4 + 0) / 4
    found = measure_performance(read_prediction_window(ledger, "films"), "mean_cost").figures["mean_cost"]
    assert found.value == pytest.approx(expected)
    assert found.interval is not None
    assert found.interval.low < expected < found.interval.high
    pairs = read_labelled_predictions(ledger, "films", rows[0].version, NOON + 100 * HOUR)
    window = read_labelled_window(ledger, "films", rows[0].version, pairs, (NOON, NOON + 100 * HOUR), 5)
    assert measure_performance(window, "mean_cost").figures["mean_cost"].value == pytest.approx(expected)


@pytest.mark.parametrize(("first", "last"), [(0, 10), (3, 7), (-5, 2), (8, 20), (4, 4), (7, 3), (20, 30)])
def test_a_part_of_a_window_is_what_lies_between_its_ends(first: int, last: int) -> None:
    """A part holds the predictions from its begin until before its end, also several of one moment, with labels."""
    ledger = MemoryLedger()
    rows = [make_prediction(at=NOON + (n // 2) * HOUR) for n in range(20)]
    ledger.record(rows)
    ledger.record_labels([Label(row.id, row.label, row.at + HOUR, "user") for row in rows[::3]])
    whole = read_prediction_window(ledger, "films")
    since, until = NOON + first * HOUR, NOON + last * HOUR
    part = whole.between(since, until)
    assert part.predictions == tuple(row for row in whole.predictions if since <= row.at < until)
    assert set(part.truth) == {row.id for row in part.predictions} & set(whole.truth)
    assert (part.since, part.until, part.left_out) == (since, until, 0)
