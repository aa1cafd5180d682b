"""Performance without labels."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.monitoring.sample_predictions import CLASSES, draw_probabilities, make_holdout, make_labelled_predictions
from tiltyard.drift.extrapolation import NO_EXTRAPOLATION, Extrapolation
from tiltyard.ledger import Prediction
from tiltyard.monitoring.estimates.calibration import calibrate
from tiltyard.monitoring.estimates.cbpe import CbpeBasis, Estimate, estimate_performance
from tiltyard.monitoring.prediction_window import PredictionWindow
from tiltyard.registry import HoldoutPredictions

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "cbpe.py"


@pytest.fixture(scope="module")
def cbpe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cbpe", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cbpe"] = module
    spec.loader.exec_module(module)
    return module


def estimated(rows: list[Prediction], truth: dict | None = None, holdout: HoldoutPredictions | None = None) -> Estimate:  # type: ignore[type-arg]
    return estimate_performance(
        PredictionWindow("films", None, None, tuple(rows), truth or {}),
        CbpeBasis("1", CLASSES, holdout or make_holdout()),
    )


def test_the_interval_holds_the_accuracy_that_labels_show() -> None:
    """For predictions like the held-out rows, the estimate's interval mostly covers the measured accuracy."""
    held: int = 0
    for seed in range(8):
        rows, labels = make_labelled_predictions(1000, seed)
        accuracy = np.mean([row.label == label.label for row, label in zip(rows, labels, strict=True)])
        figure = estimated(rows).figures["accuracy"]
        assert figure.interval is not None
        assert figure.interval.high - figure.interval.low < 0.1
        held += bool(figure.interval.low <= accuracy <= figure.interval.high)
    assert held >= 6


def test_labels_take_the_place_of_estimates() -> None:
    """Where all labels are known the estimate is the figure itself, and its interval has no width."""
    rows, labels = make_labelled_predictions(300, truthful=0.1)
    found = estimated(rows, {label.prediction_id: label for label in labels})
    accuracy = np.mean([row.label == label.label for row, label in zip(rows, labels, strict=True)])
    assert found.figures["accuracy"].value == pytest.approx(accuracy)
    assert found.figures["accuracy"].interval is not None
    assert found.figures["accuracy"].interval.low == pytest.approx(found.figures["accuracy"].interval.high)
    assert found.check is not None
    assert found.check.contradicts


def test_overconfident_probabilities_are_calibrated_first() -> None:
    """A model that is far too sure of itself is not believed: its held-out rows say what its confidence is worth."""
    raw, truth = draw_probabilities(2000, 5)
    sure = raw**3 / (raw**3 + (1 - raw) ** 3)
    facts = HoldoutPredictions(truth, np.where(sure >= 0.5, "positive", "negative"), np.column_stack([1 - sure, sure]))
    rows, labels = make_labelled_predictions(1000, 6)
    claimed = [
        Prediction(
            **{name: getattr(row, name) for name in Prediction.__slots__}
            | {"probabilities": _sharpened(row.probabilities["positive"])}
        )
        for row in rows
    ]
    figure = estimated(claimed, holdout=facts).figures["accuracy"]
    accuracy = np.mean([row.label == label.label for row, label in zip(rows, labels, strict=True)])
    believed = np.mean([max(row.probabilities.values()) for row in claimed])
    assert believed - accuracy > 0.1
    assert figure.interval is not None
    assert figure.interval.low < accuracy < figure.interval.high


def test_an_estimate_that_is_not_possible_has_a_reason() -> None:
    """Without held-out rows, or with too few, few predictions or incomplete probabilities, it gives a reason."""
    rows, _ = make_labelled_predictions(200)
    nothing = estimate_performance(
        PredictionWindow("films", None, None, tuple(rows), {}), CbpeBasis("1", CLASSES, None)
    )
    assert "without held-out rows" in nothing.reason
    assert not nothing.figures
    assert "too few to calibrate" in estimated(rows, holdout=make_holdout(50)).reason
    assert "too few for an estimate" in estimated(rows[:10]).reason
    half = [
        Prediction(**{name: getattr(row, name) for name in Prediction.__slots__} | {"probabilities": {"positive": 0.9}})
        for row in rows
    ]
    assert "probability of every label" in estimated(half).reason


def test_calibration_is_a_rising_share() -> None:
    """Calibrated scores rise with the raw ones, stay shares, and are on average what was seen."""
    raw, truth = draw_probabilities(1000, 3)
    hits = truth == "positive"
    found = calibrate(raw, hits, np.sort(raw))
    assert (np.diff(found) >= 0).all()
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.mean() == pytest.approx(hits.mean(), abs=0.02)
    constant = calibrate(np.full(50, 0.5), np.arange(50) % 2 == 0, np.array([0.1, 0.9]))
    assert constant.tolist() == [0.5, 0.5]


def test_the_interval_keeps_its_promise_briefly(cbpe: ModuleType) -> None:
    """In 40 loops the interval of the accuracy holds the realised value at least 33 times (95 % promised)."""
    random = np.random.default_rng(1)
    held: int = 0
    for loop in range(40):
        realised, found = cbpe.one_loop(cbpe.Case("short", 2, 2.0, 500, 200), random, loop)
        held += found["accuracy"].interval.low <= realised["accuracy"] <= found["accuracy"].interval.high
    assert held >= 33


@pytest.mark.proof
@pytest.mark.parametrize("number", range(12))
def test_the_interval_keeps_its_promise(cbpe: ModuleType, number: int) -> None:
    """While only inputs change, the accuracy's interval holds the realised value in at least 85 % of 200 loops."""
    case = cbpe.CASES[number]
    if case.meaning != 1:
        pytest.skip("concept drift is what it cannot see")
    assert cbpe.measure(case, 200, number)["coverage"]["accuracy"] >= 0.85


def _sharpened(positive: float) -> dict[str, float]:
    sure = positive**3 / (positive**3 + (1 - positive) ** 3)
    return {"negative": 1 - sure, "positive": sure}


def test_no_estimate_beyond_what_calibration_saw() -> None:
    """Where inputs lie beyond the training's, or nearly all moved, nothing is estimated without labels."""
    rows, labels = make_labelled_predictions(400, 0)
    window = PredictionWindow("films", None, None, tuple(rows), {})
    labelled = replace(window, truth={label.prediction_id: label for label in labels})
    for extrapolation in (Extrapolation(0.4, "text.words", 0.5), Extrapolation(0.1, "fee", 0.97)):
        basis = CbpeBasis("1", CLASSES, make_holdout(), extrapolation=extrapolation)
        found = estimate_performance(window, basis)
        assert not found.figures
        assert "those of the training" in found.reason
        assert estimate_performance(labelled, basis).figures


def test_estimates_widen_as_inputs_move() -> None:
    """The more rows lie beyond the reference, the wider the interval; of rows that moved within it, by a quarter."""
    rows, _ = make_labelled_predictions(400, 1)
    window = PredictionWindow("films", None, None, tuple(rows), {})
    widths = []
    for extrapolation in (NO_EXTRAPOLATION, Extrapolation(0.0, "", 0.4), Extrapolation(0.2, "fee", 0.4)):
        figures = estimate_performance(window, CbpeBasis("1", CLASSES, make_holdout(), extrapolation=extrapolation))
        figure = figures.figures["accuracy"]
        assert figure.interval is not None
        widths.append((figure.value - figure.interval.low, figure.value))
    assert widths[0][0] < widths[1][0] < widths[2][0]
    assert widths[1][0] - widths[0][0] == pytest.approx(0.1 * (widths[0][1] - 0.5))
    assert widths[2][0] - widths[0][0] == pytest.approx(0.25 * (widths[0][1] - 0.5))
