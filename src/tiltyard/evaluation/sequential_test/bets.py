"""Bets on units: what is staked on the next one, by what the earlier ones show, and the evidence that they give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

GAINS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.28)
"""Gains of accuracy for which bets are placed side by side; the mean of what they win is the evidence."""

MOST_LOST = 0.9
"""Most that a bet can lose of what is left."""

_WEIGHTS = np.array([1.0, 1.0, 1.0, 1.0, 1.5, 2.0, 2.0])
LOG_WEIGHTS = np.log(_WEIGHTS / _WEIGHTS.sum())
"""Log of the weight of the bets on each gain."""

DEVIATIONS = 2.5
"""The largest bet is on a unit whose value is so many standard deviations from the forecast."""

_HALVINGS = 14


def log_evidence(
    surprise: NDArray[np.float64],
    information: NDArray[np.float64],
    side: NDArray[np.float64] | float,
    most: NDArray[np.float64] | float,
    limit: NDArray[np.float64] | None = None,
) -> float:
    """Log of the mean of what the bets for all gains win on n units.

    The bet on a gain is that gain times the surprise, which is what lets evidence grow fastest if the gain is true
    (Kelly), but never more than ``most``. It is linear in the surprise up to two and a half standard deviations: models
    that are equally often right, and unlike in how their mistakes spread over units, win nothing by that.

    Args:
        surprise: how much more a unit's value is than was forecast, over its variance.
        information: the reciprocal of that variance; the surprise has a standard deviation of its root.
        side: what a bet is multiplied with; the expectation of side times surprise is at most 0 without a gain.
        most: largest size of a bet: ``MOST_LOST`` over the largest size of ``side``.
        limit: the largest gain that is bet on, for each unit. ``most`` over the largest surprise that is possible makes
            bets linear throughout, and so fair whatever the distribution is like: a value that is nearly always a
            little above its mean, and seldom far below it, would win by a bet that is cut off below. Default: bets are
            linear up to two and a half standard deviations.
    """
    if not len(surprise):
        return 0.0
    if limit is None:
        limit = np.asarray(most / (DEVIATIONS * np.sqrt(information)))
    won = [float(np.sum(np.log1p(side * np.clip(np.minimum(gain, limit) * surprise, -most, most)))) for gain in GAINS]
    return float(np.logaddexp.reduce(np.array(won) + LOG_WEIGHTS))


def sum_before(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the values before each."""
    return np.asarray(np.cumsum(values) - values)


def find_upper_bound(log_evidence_below: Callable[[float], float], start: float, alpha: float) -> float:
    """The smallest difference against which there is enough evidence that the true one is smaller, -1 to 1.

    Args:
        log_evidence_below: log of the evidence that the true difference is below another one; it rises with that.
        start: the difference that was observed; the bound is not below it.
        alpha: level; enough is 1 / alpha.
    """
    low, high = min(max(start, -1.0), 1.0), 1.0
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        if log_evidence_below(middle) >= -np.log(alpha):
            high = middle
        else:
            low = middle
    return high
