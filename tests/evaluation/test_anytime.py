"""Evidence that may be looked at as often as one likes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from tiltyard.evaluation.anytime import paired_evidence


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (0, 3), (12, 2), (40, 40), (3, 17)])
def test_it_is_the_mixture_that_it_says(b: int, c: int) -> None:
    """The closed form equals the integral."""
    integral, _ = quad(lambda p: p**b * (1 - p) ** c, 0.5, 1.0)
    assert paired_evidence(b, c) == pytest.approx(2 * 2 ** (b + c) * integral, rel=1e-6)


def test_looking_often_costs_nothing() -> None:
    """Of two equal models, looked at after each of 300 differing answers, hardly any pair ever seems different."""
    rng, alarms, runs = np.random.default_rng(7), 0, 400
    for _ in range(runs):
        firsts = np.cumsum(rng.random(300) < 0.5)
        alarms += any(paired_evidence(int(b), n - int(b)) >= 20 for n, b in enumerate(firsts, start=1))
    # At alpha = 0.05, more than 33 of 400 would be a surprise of one in a thousand.
    assert alarms <= 33


def test_it_finds_what_is_there_and_never_overflows() -> None:
    """A model that is right on three of four differing answers is found soon; extremes stay finite."""
    assert paired_evidence(30, 10) > 20
    assert np.isfinite(paired_evidence(100_000, 0))
    assert paired_evidence(0, 100_000) == pytest.approx(0.0)
