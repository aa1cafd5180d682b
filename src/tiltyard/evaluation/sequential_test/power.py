"""How many units it takes until a live test finds a true gain: what an undecided test still lacks."""

from __future__ import annotations

import math
from statistics import NormalDist

from tiltyard.evaluation.sequential_test.bets import DEVIATIONS, GAINS, LOG_WEIGHTS, MOST_LOST
from tiltyard.evaluation.sequential_test.mixture import log_evidence_above

POWER = 0.8
"""In so many of all tests a true gain is found by then."""

_Z = NormalDist().inv_cdf(POWER)
_MOST = 10**12


def count_units_needed(
    gain: float, information: float, *, alpha: float, side: float = 1.0, largest_side: float = 1.0, cost: float = 0.0
) -> int:
    """How many units find a true gain, by the bet that finds it first.

    The log of what a bet of size b wins on n units has about the mean n V I (b gain - b² / 2) and the variance
    n V I b², where I is the information of a unit and V the variance of the side. It has to reach log(1 / alpha), and
    what the bets on other gains and further analyses cost.

    Args:
        gain: the true gain of accuracy, above 0.
        information: the reciprocal of the variance of a unit's mean, in rows that do not depend on each other.
        alpha: level of the test.
        side: V, the variance of the side of a unit: share times (1 - share), or 1 where both sides are seen.
        largest_side: largest size of what a bet is multiplied with.
        cost: what else the log of the evidence has to make up for.
    """
    limit = MOST_LOST / largest_side / (DEVIATIONS * math.sqrt(information))
    found = float(_MOST)
    for size, log_weight in zip(GAINS, LOG_WEIGHTS, strict=True):
        bet = min(size, limit)
        rise = side * information * bet * (gain - bet / 2)
        if rise > 0:
            enough = cost - math.log(alpha) - float(log_weight)
            apart = _Z * bet * math.sqrt(side * information)
            found = min(found, ((apart + math.sqrt(apart**2 + 4 * rise * enough)) / (2 * rise)) ** 2)
    return math.ceil(found)


def count_pairs_needed(gain: float, apart: float, *, alpha: float) -> int:
    """How many labelled rows that are requests by themselves find a true gain in shadow, see ``evaluate_shadow``.

    Args:
        gain: the true gain of accuracy, above 0.
        apart: share of the rows on which one version alone is right.
        alpha: level of the test.
    """
    apart = min(1.0, max(apart, gain))
    share = (1 + gain / apart) / 2

    def suffices(rows: int) -> bool:
        decided = rows * apart
        # Of an unlucky fifth of all tests fewer rows fall to the better side than this.
        won = decided * share - _Z * math.sqrt(decided * share * (1 - share) + decided * (1 - apart) * gain**2)
        won = min(max(won, 0.0), decided)
        return log_evidence_above(0.5, round(won), round(decided - won)) >= -math.log(alpha)

    most = 1
    while not suffices(most) and most < _MOST:
        most *= 2
    low = most // 2
    while most - low > max(1, most // 100):
        middle = (low + most) // 2
        low, most = (low, middle) if suffices(middle) else (middle, most)
    return most
