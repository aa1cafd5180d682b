"""What guessing reaches is what guessing usually reaches."""

from __future__ import annotations

import numpy as np
import pytest

from tiltyard.evaluation import LabelledPredictions, guess_baseline, guessing_p_value, label_predictions
from tiltyard.evaluation.baseline import LEAST_DEALS, MOST_DEALS
from tiltyard.evaluation.metrics import Metric, get_metric


@pytest.mark.parametrize("seed", range(12))
def test_the_drawn_guess_is_not_a_lucky_one(seed: int) -> None:
    """On 48 rows of two equally frequent labels a drawn guess is right about half of the time, whatever the seed."""
    labels = np.array(["no", "yes"] * 24)
    found = guess_baseline(get_metric("accuracy"), label_predictions(labels, labels, None, ("no", "yes")), seed=seed)
    assert found.values["stratified"] == pytest.approx(0.5, abs=0.07)
    assert found.values["majority"] == pytest.approx(0.5)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The metric's values, in the order in which they are computed: the model's, and one for each deal."""
    values: list[float] = []
    compute = Metric.compute

    def keep(self: Metric, given: LabelledPredictions) -> float:
        values.append(compute(self, given))
        return values[-1]

    monkeypatch.setattr(Metric, "compute", keep)
    return values


def guess_right(share: float) -> LabelledPredictions:
    """200 rows of two labels, alike for each, of which a share is predicted rightly."""
    labels = np.array(["no", "yes"] * 100)
    wrong = np.arange(200) >= round(200 * share)
    predicted = np.where(wrong, np.where(labels == "no", "yes", "no"), labels)
    return label_predictions(labels, predicted, None, ("no", "yes"))


def test_a_strict_level_takes_no_more_deals(computed: list[float]) -> None:
    """At the tiny level of a late attempt, a good model still beats guessing, without a deal for each part of it."""
    found = guessing_p_value(get_metric("accuracy"), guess_right(0.8), alpha=1e-7)
    assert len(computed) == MOST_DEALS + 1
    # The number of right ones is hypergeometric; 160 of 200 or more has a chance of 3e-18.
    assert 3e-18 < found < 1e-7


@pytest.mark.parametrize("alpha", [0.04, 1e-5])
def test_noise_is_given_up_early(computed: list[float], alpha: float) -> None:
    """Predictions that know nothing end the deals once the level is out of reach, with a p-value above it."""
    limit = alpha * min(MOST_DEALS, max(LEAST_DEALS, round(2 / alpha)))
    assert guessing_p_value(get_metric("accuracy"), guess_right(0.5), alpha=alpha) > 0.1
    hits = sum(value >= computed[0] for value in computed[1:])
    assert hits == int(limit) + 1
    assert len(computed) < 4 * limit + 20


def test_what_may_still_pass_is_dealt_to_the_end(computed: list[float]) -> None:
    """A p-value somewhat below the level is from all deals: as long as it may pass, nothing ends early."""
    found = guessing_p_value(get_metric("accuracy"), guess_right(0.57), alpha=0.05)
    assert 0.02 < found < 0.05
    assert len(computed) == LEAST_DEALS + 1
