"""Trainings on halves of the rows, which tell what of the importance of a column is chance."""

from __future__ import annotations

from itertools import count

import pandas as pd
import pytest

from tiltyard.data import Dataset
from tiltyard.data.content_hash import row_digests
from tiltyard.models import get_candidate
from tiltyard.pipeline.training.retrainings import plan_retrainings
from tiltyard.project import Project

PROJECT = Project.model_validate(
    {"project": {"name": "p", "task": "tabular-classification"}, "data": {"source": "rows.csv"}}
)


@pytest.fixture(scope="module")
def rows() -> Dataset:
    inputs = pd.DataFrame({"a": range(40)}, dtype=float)
    labels = pd.Series(["no", "yes"] * 20, name="label")
    frame = inputs.assign(label=labels)
    return Dataset("p", PROJECT.task, inputs, labels, frame, "rows.csv", row_digests(inputs, labels))


@pytest.mark.parametrize(
    ("seconds", "tick", "expected"),
    [(0.1, 0.2, 6), (0.1, 2.0, 4), (0.1, 100.0, 3), (4.0, 2.0, 5), (100.0, 0.1, 0)],
)
def test_they_take_no_longer_than_the_training_or_three_seconds(
    rows: Dataset, seconds: float, tick: float, expected: int
) -> None:
    """Beyond the time of the training, and 3 seconds, none is begun after the third; half a minute is never planned."""
    moments = count()
    candidate = get_candidate("logreg", "tabular-classification")
    retrain = plan_retrainings(candidate, rows, PROJECT, seconds, clock=lambda: next(moments) * tick)
    assert len(list(retrain())) == expected
