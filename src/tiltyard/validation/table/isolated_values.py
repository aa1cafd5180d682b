"""Numbers that stand alone: the rule for columns of few different values, in which quartiles have no width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.columns import Mask

LEAST_ROWS = 50
FEW = 0.01
# Gaps of counts grow with the counts: found by simulating clean ones (Poisson, geometric, negative binomial, Zipf).
_REACH = 1.2
_LEAST_WIDTH = 2.0
_LEAST_SPREAD = 0.1


def find_isolated_bounds(ordered: NDArray[np.float64]) -> tuple[float, float] | None:
    """The least and the greatest of the usual values, where a few others lie far outside; None where none does.

    A value is isolated where at most 1 % of the rows (or two rows) lie beyond the widest gap on its side, and this gap
    is 1.2 times as wide as the range of all usual values: for counts that are never negative also on the scale of
    log(1 + x), because clean counts have long tails. Columns in which nearly all values are one number have no usual
    range and are not evaluated.

    Args:
        ordered: n numbers, ascending.
    """
    if len(ordered) < LEAST_ROWS:
        return None
    values, counts = np.unique(ordered, return_counts=True)
    few = max(2, int(FEW * len(ordered)))
    high, low = _count_beyond_gap(values, counts, few), _count_beyond_gap(-values[::-1], counts[::-1], few)
    usual = values[low : len(values) - high]
    if len(usual) < 2 or 1 - counts[low : len(values) - high].max() / len(ordered) < _LEAST_SPREAD:
        return None
    first, last = float(usual[0]), float(usual[-1])
    far_above = high > 0 and _is_far(last, float(values[len(values) - high]), first, long_tail=first >= 0)
    far_below = low > 0 and _is_far(-first, float(-values[low - 1]), -last, long_tail=False)
    if not far_above and not far_below:
        return None
    return first if far_below else float(values[0]), last if far_above else float(values[-1])


def select_outside(numbers: NDArray[np.float64], bounds: tuple[float, float]) -> Mask:
    """Which of n numbers are finite and outside the bounds."""
    return np.isfinite(numbers) & ((numbers < bounds[0]) | (numbers > bounds[1]))


def _count_beyond_gap(values: NDArray[np.float64], counts: NDArray[np.int64], few: int) -> int:
    """How many of the highest different values lie beyond the widest gap that at most a few rows lie beyond."""
    beyond = np.cumsum(counts[::-1])[:-1]
    gaps = np.diff(values)[::-1][: int(np.searchsorted(beyond, few, side="right"))]
    return int(np.argmax(gaps)) + 1 if len(gaps) else 0


def _is_far(edge: float, value: float, opposite: float, *, long_tail: bool) -> bool:
    """Whether a value beyond the edge is far from the range between the edge and its opposite."""
    width = edge - opposite
    if value - edge <= _REACH * max(width, _LEAST_WIDTH if width == np.floor(width) else 0.0):
        return False
    if not long_tail:
        return True
    scaled = np.log1p(np.array([value - opposite, width]))
    return bool(scaled[0] - scaled[1] > _REACH * scaled[1])
