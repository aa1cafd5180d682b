"""What guessing reaches is what guessing usually reaches."""

from __future__ import annotations

import numpy as np
import pytest

from tiltyard.evaluation import guess_baseline, label_predictions
from tiltyard.evaluation.metrics import get_metric


@pytest.mark.parametrize("seed", range(12))
def test_the_drawn_guess_is_not_a_lucky_one(seed: int) -> None:
    """On 48 rows of two equally frequent labels a drawn guess is right about half of the time, whatever the seed."""
    labels = np.array(["no", "yes"] * 24)
    found = guess_baseline(get_metric("accuracy"), label_predictions(labels, labels, None, ("no", "yes")), seed=seed)
    assert found.values["stratified"] == pytest.approx(0.5, abs=0.07)
    assert found.values["majority"] == pytest.approx(0.5)
