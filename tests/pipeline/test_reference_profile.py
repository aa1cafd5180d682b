"""A training leaves behind what its rows look like."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tiltyard.data import Dataset, Split
from tiltyard.drift import evaluate_drift
from tiltyard.drift.profiles import Rows, profile_rows
from tiltyard.pipeline.training.run_logging import build_reference_profile
from tiltyard.promotion.offline_predictions import PredictedRows


def _side(rows: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    inputs = pd.DataFrame({"amount": rng.normal(size=rows), "shop": rng.choice(["a", "b"], rows)})
    labels = pd.Series(rng.choice(["no", "yes"], rows))
    digests = np.arange(rows, dtype=np.uint64)
    return Dataset("shops", "tabular-classification", inputs, labels, inputs, "memory", digests)


def test_reference_of_a_training() -> None:
    """Columns and labels come from the training side, predictions from the other; the other's rows do not drift."""
    train, test = _side(600, 0), _side(300, 1)
    rng = np.random.default_rng(2)
    yes = rng.random(300)
    probabilities = np.stack([1 - yes, yes], axis=1)
    predictions = PredictedRows(np.where(yes > 0.5, "yes", "no"), probabilities, ("no", "yes"))
    made = build_reference_profile(Split(train, test), predictions)
    assert made.profile.numbers["amount"].rows == made.profile.categories["@label"].rows == 600
    assert made.profile.numbers["@confidence"].rows == made.profile.categories["@prediction"].rows == 300
    window = profile_rows(made.layout, Rows(test.inputs, predictions.labels, probabilities.max(axis=1)))
    assert evaluate_drift(made, window).verdict.status == "clear"
