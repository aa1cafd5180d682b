"""Predictions whose truth is drawn from their probabilities, for tests of figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from tiltyard.ledger import Label, Prediction
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.registry import HoldoutPredictions
from tiltyard.testing import NOON, make_prediction

CLASSES = ("negative", "positive")


def draw_probabilities(
    rows: int, seed: int = 0, *, sure: float = 1.5, truthful: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the positive class, and labels that follow from them.

    Args:
        rows: how many.
        seed: of the draws.
        sure: spread of the log odds; smaller is less sure.
        truthful: factor of the log odds by which labels come about; 1 is calibrated.
    """
    random = np.random.default_rng(seed)
    odds = random.normal(size=rows) * sure
    positive = 1 / (1 + np.exp(-odds))
    labels = random.random(rows) < 1 / (1 + np.exp(-odds * truthful))
    return positive, np.where(labels, "positive", "negative")


def make_labelled_predictions(
    rows: int,
    seed: int = 0,
    *,
    at: datetime = NOON,
    label_lag: timedelta = timedelta(hours=1),
    version: str = "1",
    sure: float = 1.5,
    truthful: float = 1.0,
) -> tuple[list[Prediction], list[Label]]:
    """Predictions, one a second from a time on, and all their labels."""
    positive, truth = draw_probabilities(rows, seed, sure=sure, truthful=truthful)
    made = [
        make_prediction(
            at=at + timedelta(seconds=n),
            version=version,
            label="positive" if p >= 0.5 else "negative",
            confidence=float(max(p, 1 - p)),
            probabilities={"negative": float(1 - p), "positive": float(p)},
            input={"text": f"text number {n} " + "word " * (n % 7)},
        )
        for n, p in enumerate(positive)
    ]
    labels = [Label(row.id, str(label), row.at + label_lag, "test") for row, label in zip(made, truth, strict=True)]
    return made, labels


def number_predictions(rows: list[Prediction], labels: list[Label]) -> tuple[list[Prediction], list[Label]]:
    """The same with ids that are the same in every run, by which chance draws the rows of a labelling queue."""
    ids = {row.id: f"{n:06}" for n, row in enumerate(rows)}
    numbered = [replace(label, prediction_id=ids[label.prediction_id]) for label in labels]
    return [replace(row, id=ids[row.id]) for row in rows], numbered


def make_holdout(rows: int = 1000, seed: int = 99) -> HoldoutPredictions:
    """Held-out rows that evaluated the version of these predictions."""
    positive, truth = draw_probabilities(rows, seed)
    predicted = np.where(positive >= 0.5, "positive", "negative")
    return HoldoutPredictions(truth, predicted, np.column_stack([1 - positive, positive]))


def make_monitored_version(version: str = "1", rows: int = 1000) -> MonitoredVersion:
    """A champion that was evaluated on such rows."""
    facts = make_holdout(rows)
    accuracy = float(np.mean(facts.truth == facts.predicted))
    return MonitoredVersion("films", version, CLASSES, {"accuracy": accuracy}, facts, "positive")
