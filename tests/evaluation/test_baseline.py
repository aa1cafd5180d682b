"""What guessing reaches is what guessing usually reaches."""

from __future__ import annotations

import numpy as np
import pytest

from tiltyard.evaluation import LabelledPredictions, guess_baseline, guessing_p_value, label_predictions
from tiltyard.evaluation.baseline import MOST_DEALS
from tiltyard.evaluation.metrics import Metric, get_metric


@pytest.mark.parametrize("seed", range(12))
def test_the_drawn_guess_is_not_a_lucky_one(seed: int) -> None:
    """On 48 rows of two equally frequent labels a drawn guess is right about half of the time, whatever the seed."""
    labels = np.array(["no", "yes"] * 24)
    found = guess_baseline(get_metric("accuracy"), label_predictions(labels, labels, None, ("no", "yes")), seed=seed)
    assert found.values["stratified"] == pytest.approx(0.5, abs=0.07)
    assert found.values["majority"] == pytest.approx(0.5)


def test_a_strict_level_takes_no_more_deals(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the tiny level of a late attempt, a good model still beats guessing, without a deal for each part of it."""
    labels = np.array(["no", "yes"] * 100)
    wrong = np.where(np.arange(200) % 10 < 2, np.where(labels == "no", "yes", "no"), labels)
    metric = get_metric("accuracy")
    computed: list[Metric] = []
    compute = Metric.compute

    def count(self: Metric, given: LabelledPredictions) -> float:
        computed.append(self)
        return compute(self, given)

    monkeypatch.setattr(Metric, "compute", count)
    found = guessing_p_value(metric, label_predictions(labels, wrong, None, ("no", "yes")), alpha=1e-7)
    assert len(computed) == MOST_DEALS + 1
    # The number of right ones is hypergeometric; 160 of 200 or more has a chance of 3e-18.
    assert 3e-18 < found < 1e-7


@pytest.mark.parametrize("alpha", [0.04, 1e-5])
def test_noise_is_given_up_early(alpha: float) -> None:
    """Predictions that know nothing end the deals as soon as the level is out of reach, with a p-value above it."""
    labels = np.array(["no", "yes"] * 100)
    noise = np.random.default_rng(2).permutation(labels)
    assert (
        guessing_p_value(get_metric("accuracy"), label_predictions(labels, noise, None, ("no", "yes")), alpha=alpha)
        > 0.1
    )
