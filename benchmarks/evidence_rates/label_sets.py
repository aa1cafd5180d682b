"""Prediction sets: how often they hold the true label of rows that had no part in them, over many trainings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.evidence_rates.rows import Row, scaled, show_progress
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from tiltyard.evaluation import calibrate_sets, label_predictions
from tiltyard.evaluation.conformal.label_sets import ROWS_OF_A_LABEL

RUNS, TRAINED, NEW_ROWS = 400, 600, 2_000
HELD_OUT = (60, 400, 2_000)
LEVELS = (0.9, 0.95)
SHARES = np.array([0.62, 0.3, 0.08])
CLASSES = ("frequent", "other", "rare")
CENTRES = np.array([[0.0, 0.0, 0.0, 0.0], [1.3, 0.4, 0.0, -0.5], [-0.6, 1.6, 0.9, 0.0]])

Table = tuple[NDArray[np.float64], NDArray[np.str_]]


def measure(scale: float) -> list[Row]:
    """The rows for prediction sets; ``scale`` is a share of the published number of trainings."""
    runs = scaled(RUNS, scale)
    found: list[Row] = []
    for name, model in _MODELS.items():
        for rows in HELD_OUT:
            found += _measure_model(name, model, rows, runs)
    return found


_MODELS: dict[str, Callable[[], Any]] = {
    "logistic regression": lambda: LogisticRegression(max_iter=500),
    "naive Bayes on repeated columns (far too sure)": GaussianNB,
    "a forest of 30 trees": lambda: RandomForestClassifier(30, random_state=0),
}


def draw_rows(random: np.random.Generator, rows: int) -> Table:
    """Rows of three labels, one of them rare, that overlap; each column is there three times over."""
    truth = random.choice(len(CLASSES), rows, p=SHARES)
    columns = CENTRES[truth] + random.normal(size=(rows, CENTRES.shape[1]))
    return np.tile(columns, 3), np.asarray(CLASSES)[truth]


def _measure_model(name: str, make_model: Callable[[], Any], rows: int, runs: int) -> list[Row]:
    """Coverage of new rows by level, of all rows and of the rare label's; each training has one share of each.

    With so few held-out rows that all labels share one category, nothing is promised of the rare one by itself.
    """
    shares: dict[tuple[float, str], list[float]] = {}
    right: dict[str, list[float]] = {}
    for run in show_progress(range(runs), f"sets, {name}, {rows} rows"):
        random = np.random.default_rng([21, rows, run])
        model = make_model().fit(*draw_rows(random, TRAINED))
        inputs, truth = draw_rows(random, rows)
        probabilities = model.predict_proba(inputs)
        predicted = model.classes_[probabilities.argmax(axis=1)]
        classes = tuple(model.classes_.tolist())
        sets = calibrate_sets(label_predictions(truth, predicted, probabilities, classes), classes, 0.9)
        fresh, outcome = draw_rows(random, NEW_ROWS)
        found = model.predict_proba(fresh)
        likeliest = model.classes_[found.argmax(axis=1)]
        places = np.searchsorted(model.classes_, outcome)
        for part, chosen in (("all rows", outcome != ""), ("rows of the rare label", outcome == "rare")):
            right.setdefault(part, []).append(float((likeliest[chosen] == outcome[chosen]).mean()))
            for level in LEVELS:
                inside = sets.make_sets(found, level)[np.arange(len(outcome)), places]
                shares.setdefault((level, part), []).append(float(inside[chosen].mean()))
    alone = [
        _make_row(f"the likeliest label alone is right: {name}, {part}", None, found) for part, found in right.items()
    ]
    sets_of = [
        _make_row(
            f"sets of {level:.0%} from {rows:,} held-out rows hold the label: {name}, {part}",
            None if part != "all rows" and rows < ROWS_OF_A_LABEL else level,
            found,
        )
        for (level, part), found in sorted(shares.items())
    ]
    return [*(alone if rows == HELD_OUT[-1] else []), *sets_of]


def _make_row(label: str, level: float | None, shares: list[float]) -> Row:
    mean, margin = float(np.mean(shares)), 1.96 * float(np.std(shares, ddof=1)) / len(shares) ** 0.5
    return Row(label, level, mean, mean - margin, min(mean + margin, 1.0), len(shares), least=level is not None)
