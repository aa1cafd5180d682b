"""A training leaves behind what its rows look like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tiltyard.data import Dataset, Split
from tiltyard.drift import evaluate_drift
from tiltyard.drift.profiles import Rows, profile_rows
from tiltyard.drift.row_order import find_group_columns
from tiltyard.pipeline.training.reference_profile import build_reference_profile
from tiltyard.project import Project
from tiltyard.promotion.offline_predictions import PredictedRows


def _side(rows: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    inputs = pd.DataFrame({"amount": rng.normal(size=rows), "shop": rng.choice(["a", "b"], rows)})
    labels = pd.Series(rng.choice(["no", "yes"], rows))
    digests = np.arange(rows, dtype=np.uint64)
    return Dataset("shops", "tabular-classification", inputs, labels, inputs, "memory", digests)


def _project(**split: str) -> Project:
    return Project.model_validate(
        {
            "project": {"name": "shops", "task": "tabular-classification"},
            "data": {"source": "shops.csv", "label": "label", "time": "at"},
            "split": split,
        }
    )


def test_reference_of_a_training() -> None:
    """Columns and labels come from the training side, predictions from the other; the other's rows do not drift."""
    train, test = _side(600, 0), _side(300, 1)
    rng = np.random.default_rng(2)
    yes = rng.random(300)
    probabilities = np.stack([1 - yes, yes], axis=1)
    predictions = PredictedRows(np.where(yes > 0.5, "yes", "no"), probabilities, ("no", "yes"))
    made = build_reference_profile(Split(train, test), predictions, _project())
    assert made.profile.numbers["amount"].rows == made.profile.categories["@label"].rows == 600
    assert made.profile.numbers["@confidence"].rows == made.profile.categories["@prediction"].rows == 300
    window = profile_rows(made.layout, Rows(test.inputs, predictions.labels, probabilities.max(axis=1)))
    assert evaluate_drift(made, window).verdict.status == "clear"


def test_groups_and_times_of_a_training() -> None:
    """Groups are those of ``split.group``, else of unread columns of names; the time is ``data.time``."""
    side = _side(600, 0)
    own = np.random.default_rng(3).normal(0, 2, 60)[np.arange(600) // 10]
    inputs = side.inputs.assign(amount=side.inputs["amount"] + own) if isinstance(side.inputs, pd.DataFrame) else None
    assert inputs is not None
    unread: dict[str, Any] = {
        "film": [f"tt{row // 10}" for row in range(600)],
        "id": np.arange(600),
        "stars": np.arange(600) % 5,
        "at": pd.date_range("2026-01-01", periods=600, freq="h").astype(str),
        "label": side.labels,
    }
    train = replace(side, inputs=inputs, frame=inputs.assign(**unread))
    assert find_group_columns(train.frame, {"amount", "shop"}, _project()) == ("film",)
    assert find_group_columns(train.frame, {"amount", "shop"}, _project(group="stars")) == ("stars",)
    predictions = PredictedRows(np.full(600, "yes"), np.full((600, 2), 0.5), ("no", "yes"))
    known = build_reference_profile(Split(train, train), predictions, _project()).dependence
    assert known is not None
    films, times = known.structures
    assert (films.title, times.title) == ("groups of film", "consecutive rows by at")
    assert films.subjects["number:amount"].scales[0].inflation > 4
    assert times.per_hour == pytest.approx(2.0, rel=0.01)
