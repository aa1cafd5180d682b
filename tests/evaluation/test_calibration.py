"""The reliability table agrees with the metric, and with what came true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from tests.charts.drawn import count_frames, read_words
from tests.evaluation.test_metrics import rows
from tiltyard.evaluation import (
    LabelledPredictions,
    evaluate_calibration,
    get_metric,
    label_predictions,
    plot_calibration,
)


@settings(max_examples=60, deadline=None, database=None)
@given(labelled=rows())
def test_the_table_is_the_metric(labelled: LabelledPredictions) -> None:
    """The error of the predicted label is the metric; every row is in one bin, and each bin holds what it says."""
    report = evaluate_calibration(labelled)
    assert report is not None
    assert report.confidence.error == pytest.approx(get_metric("calibration_error").compute(labelled))
    assert set(report.by_label) == set(labelled.classes)
    for label, one in (("", report.confidence), *report.by_label.items()):
        assert sum(part.rows for part in one.bins) == len(labelled)
        expected = sum(part.rows * abs(part.predicted - part.observed) for part in one.bins) / len(labelled)
        assert one.error == pytest.approx(expected)
        for part in one.bins:
            assert part.low - 1e-12 <= part.predicted <= part.high + 1e-12
            assert part.interval.low <= part.observed <= part.interval.high
        if label:
            came_true = sum(part.observed * part.rows for part in one.bins)
            assert came_true == pytest.approx((labelled.labels == label).sum())


def test_honest_and_boastful_probabilities() -> None:
    """Labels drawn with the probabilities given have a small error; the same with the certainty squared a large one."""
    random = np.random.default_rng(0)
    chance = random.random(20_000)
    truth = np.where(random.random(20_000) < chance, "yes", "no")
    bold = chance**3 / (chance**3 + (1 - chance) ** 3)
    found = []
    for given_chance in (chance, bold):
        both = np.column_stack([1 - given_chance, given_chance])
        report = evaluate_calibration(
            label_predictions(truth, np.where(given_chance > 0.5, "yes", "no"), both, ("no", "yes"))
        )
        assert report is not None
        found.append(report.by_label["yes"].error)
    assert found[0] < 0.02
    assert found[1] > 0.1


def test_what_cannot_be_said() -> None:
    """Without probabilities there is no table, and none for a label that the model does not know."""
    assert evaluate_calibration(label_predictions(["a", "b"], ["a", "a"], None, ("a", "b"))) is None
    labelled = label_predictions(
        ["a", "b", "c"], ["a", "b", "a"], np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), ("a", "b")
    )
    report = evaluate_calibration(labelled)
    assert report is not None
    assert set(report.by_label) == {"a", "b"}


@pytest.mark.parametrize(("k", "panels"), [(2, 1), (3, 3), (12, 9)])
def test_calibration_can_be_drawn(k: int, panels: int) -> None:
    """Of two labels the positive one is drawn, of many the nine that are farthest off."""
    random = np.random.default_rng(k)
    names = [f"label ${number}" for number in range(k)]
    probabilities = random.dirichlet(np.ones(k), 200)
    truth = [names[place] for place in random.integers(0, k, 200)]
    predicted = [names[place] for place in probabilities.argmax(axis=1)]
    report = evaluate_calibration(label_predictions(truth, predicted, probabilities, names, names[0]))
    assert report is not None
    picture = plot_calibration(report)
    shown = [words for words in read_words(picture) if ": error" in words]
    assert count_frames(picture) == len(shown) == panels
    if k == 2:
        assert shown[0].startswith("label $0: error")
