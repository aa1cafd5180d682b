"""One verdict on the same predictions, by whichever door they are compared."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tiltyard.data.conform.frames import infer_schema
from tiltyard.drift import DriftOptions, DriftRequest, PredictionSource, detect_drift
from tiltyard.drift.profiles import Reference, Rows, build_reference
from tiltyard.drift.profiles.rows import RowOrder
from tiltyard.drift.recent_predictions import RecentPredictions, VersionReference
from tiltyard.drift.recent_window import RecentWindow
from tiltyard.errors import UsageError
from tiltyard.ledger import to_log_line
from tiltyard.project.monitoring import MonitoringSection
from tiltyard.testing import NOON, MemoryLedger, make_prediction

Sent = tuple[pd.DataFrame, np.ndarray, np.ndarray]
"""Inputs, predicted labels and confidences."""

HOUR = timedelta(hours=1)
DAY = 40


def draw(rng: np.random.Generator, days: int) -> Sent:
    """Rows of days that differ, a hundred rare categories among them."""
    own = np.repeat(rng.normal(0, 0.6, days), DAY)
    rows = len(own)
    amount = own + rng.normal(size=rows)
    amount[rng.random(rows) < 0.05] = np.nan
    town = np.where(rng.random(rows) < 0.7, "here", [f"town{n}" for n in rng.integers(0, 100, rows)])
    frame = pd.DataFrame(
        {"amount": amount, "size": rng.lognormal(size=rows), "age": rng.normal(40, 9, rows), "town": town}
    )
    labels = np.where(rng.random(rows) < 0.6, "yes", "no").astype(object)
    return frame, labels, rng.uniform(0.5, 1.0, rows)


def build(train: Sent, held_out: Sent) -> Reference:
    order = RowOrder(times=np.arange(len(train[0])) * 24 / DAY, time_column="at", clock=True)
    return build_reference(Rows(train[0], labels=train[1], order=order), Rows(*held_out))


RNG = np.random.default_rng(0)
TRAIN = draw(RNG, 100)
HELD_OUT = draw(RNG, 30)
SCHEMA = infer_schema(TRAIN[0])


@functools.cache
def get_known() -> Reference:
    """The reference of the training; not made when the module is imported, which each worker of pytest does."""
    return build(TRAIN, HELD_OUT)


def record(sent: Sent, version: str = "3") -> MemoryLedger:
    """A ledger with rows that came over the week before noon."""
    frame, labels, confidences = sent
    ledger = MemoryLedger()
    inputs = [{name: cell for name, cell in row.items() if cell == cell} for row in frame.to_dict("records")]  # noqa: PLR0124 - NaN
    ledger.record(
        [
            make_prediction(
                id=f"{place:06}",
                at=NOON - timedelta(hours=168) + place * 168 * HOUR / len(frame),
                input=row,
                label=str(label),
                confidence=float(confidence),
                version=version,
            )
            for place, (row, label, confidence) in enumerate(zip(inputs, labels, confidences, strict=True))
        ]
    )
    return ledger


def open_window(ledger: MemoryLedger, known: Reference | None = None, schema: Any = SCHEMA) -> RecentWindow:
    source = PredictionSource("films", "3", schema=schema)
    return RecentWindow(ledger, source, (known or get_known()).to_bytes(), (NOON - timedelta(hours=168), NOON), "films")


def move(column: str, by: float) -> Callable[[Sent], Sent]:
    return lambda sent: (sent[0].assign(**{column: sent[0][column] + by}), *sent[1:])


CHANGES: dict[str, Callable[[Sent], Sent]] = {
    "nothing": lambda sent: sent,
    "an input": move("age", 9.0),
    "an input whose days differ": move("amount", 0.8),
    "a lost column": lambda sent: (sent[0].drop(columns="size"), *sent[1:]),
    "new categories": lambda sent: (sent[0].assign(town=sent[0]["town"].str.upper()), *sent[1:]),
    "confidence alone": lambda sent: (*sent[:2], sent[2] / 4),
    "predictions alone": lambda sent: (sent[0], np.full(len(sent[1]), "yes", object), sent[2]),
    "a foreign label": lambda sent: (sent[0], np.where(sent[1] == "no", "other", "yes").astype(object), sent[2]),
    "numbers as words": lambda sent: (sent[0].assign(age="old"), *sent[1:]),
    "few rows": lambda sent: (sent[0][:50], sent[1][:50], sent[2][:50]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_door_gives_one_verdict(change: str) -> None:
    """The training's profile, the training's rows and a list of predictions give the same tests of the same rows."""
    sent = CHANGES[change](draw(np.random.default_rng(5), 7))
    ledger, request = record(sent), DriftRequest()
    by_training = open_window(ledger).compare_with_training(request)
    by_rows = open_window(ledger).compare_with_rows(TRAIN[0], request)
    lines = [to_log_line(row) for row in ledger.predictions(project="films")]
    reference = VersionReference("3", get_known(), SCHEMA, DriftOptions())
    by_list = detect_drift(RecentPredictions(lines, lambda: reference), min_rows=100)
    verdicts = [(one["status"], one["drift_detected"], one["features"]) for one in (by_training, by_rows, by_list)]
    assert verdicts[0] == verdicts[1]
    assert verdicts[0] == verdicts[2] or change == "few rows"
    assert by_list["drift_detected"] == by_training["drift_detected"]
    expected = {"nothing": "clear", "an input whose days differ": "clear", "few rows": "could_not_judge"}
    assert by_training["status"] == expected.get(change, "found")
    assert by_rows["not_sent"] == (["size"] if change == "a lost column" else [])


def test_the_project_decides_by_every_door() -> None:
    """What the project ignores, and its limits, count for a list of predictions and for rows that are given."""
    section = MonitoringSection(drift_ignore=["age"], drift_threshold=0.5)
    ledger = record(move("age", 9.0)(draw(np.random.default_rng(6), 7)))
    request = DriftRequest(section=section)
    lines = [to_log_line(row) for row in ledger.predictions(project="films")]
    own = VersionReference("3", get_known(), SCHEMA, DriftOptions.from_section(section))
    found = [
        open_window(ledger).compare_with_training(request),
        open_window(ledger).compare_with_rows(TRAIN[0], request),
        detect_drift(RecentPredictions(lines, lambda: own), min_rows=100),
    ]
    assert [one["status"] for one in found] == ["clear"] * 3
    stricter = detect_drift(RecentPredictions(lines, lambda: own), drift_threshold=0.01)
    assert stricter["features"]["size"]["limit"] == 0.01


def test_rows_unlike_the_training_are_compared_by_inputs() -> None:
    """Where the rows that a caller brings differ from the training, inputs are compared, and predictions are not."""
    sent = move("age", 9.0)(draw(np.random.default_rng(7), 7))
    new_normal = move("age", 9.0)(TRAIN)[0].assign(note="x").drop(columns="size")
    found = open_window(record(CHANGES["confidence alone"](sent))).compare_with_rows(new_normal, DriftRequest())
    assert found["status"] == "clear"
    assert "differs from the training" in found["compared_with"]
    assert {"note", "confidence", "prediction"} <= set(found["not_compared"])
    assert found["features"]["age"]["score"] < 0.1
    assert "size" in found["features"]


def test_columns_that_the_version_does_not_read_are_no_drift() -> None:
    """The label and other columns of the training's table, which callers never send, are not missed."""
    table = TRAIN[0].assign(label=TRAIN[1], row=np.arange(len(TRAIN[0])))
    found = open_window(record(draw(np.random.default_rng(8), 7))).compare_with_rows(table, DriftRequest())
    assert (found["status"], found["not_sent"], found["not_compared"]) == ("clear", [], ["label", "row"])
    with pytest.raises(UsageError, match="none of the columns that the version reads: amount, size, age, town"):
        open_window(record(TRAIN)).compare_with_rows(TRAIN[0][["town"]].set_axis(["city"], axis=1), DriftRequest())


def test_texts_of_the_training_give_its_verdict() -> None:
    """Texts as a list, a series or the project's column are compared as with the profile of the training."""
    rng = np.random.default_rng(9)
    words = np.array([f"word{n}" for n in range(400)])

    def write(some: np.ndarray, rows: int) -> pd.Series:
        return pd.Series([" ".join(rng.choice(some, 12)) for _ in range(rows)], dtype=object)

    texts, held_out = write(words, 600), write(words, 200)
    labels, confidences = np.array(["yes", "no"] * 100, object), rng.uniform(0.5, 1, 200)
    known = build_reference(Rows(texts), Rows(held_out, labels, confidences))
    for some, moved in ((words, False), (words[:150], True)):
        ledger = record((pd.DataFrame({"text": write(some, 200)}), labels, confidences))
        window = open_window(ledger, known, None)
        by_training = window.compare_with_training(DriftRequest())
        assert by_training["drift_detected"] == moved
        for given in (texts, list(texts), pd.DataFrame({"text": texts, "label": "yes"})):
            found = window.compare_with_rows(given, DriftRequest())
            assert (found["status"], found["features"]) == (by_training["status"], by_training["features"])


def test_without_predictions_of_the_champion_inputs_of_all_are_compared() -> None:
    """Where another version made the predictions, their inputs are compared with the rows."""
    ledger = record(move("age", 9.0)(draw(np.random.default_rng(10), 7)), version="2")
    found = open_window(ledger).compare_with_rows(TRAIN[0], DriftRequest())
    assert found["features"]["age"]["drift_detected"]
    assert "confidence" not in found["features"]


def test_a_classifier_compares_the_rows_of_the_champion() -> None:
    """With a domain classifier, the version's columns of both sides are distinguished or not."""
    window = open_window(record(move("age", 20.0)(draw(np.random.default_rng(11), 3))))
    found = window.compare_with_rows(TRAIN[0][:400], DriftRequest(domain_classifier=True))
    assert found["features"]["rows"]["drift_detected"]
