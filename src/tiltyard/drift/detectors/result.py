"""What one comparison of two profiles brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

RARE = 0.01
"""A value is beyond the reference if no more than this share of its rows is as far out, on that side."""


@dataclass(frozen=True, slots=True)
class TestResult:
    """One comparison.

    Attributes:
        effect: how far apart the two are, in the detector's own measure; what chance alone explains is subtracted
            where the measure would grow with it.
        p_value: probability of at least such a difference between two samples of one distribution.
        statistic: what grows in proportion to the independent rows: X², N D², or the square of a normal deviate.
        freedom: its degrees of freedom, if it is chi-square.
        tail: the distribution that it has for independent rows.
    """

    effect: float
    p_value: float
    statistic: float = 0.0
    freedom: float = 1.0
    tail: Literal["chi-square", "kolmogorov"] = "chi-square"


class NumberDetector(Protocol):
    """Compares two histograms on the same edges."""

    name: str

    def compare(self, reference: Counts, window: Counts, centres: Floats, scale: float) -> TestResult:
        """The comparison of two histograms of b bins, whose values the ``centres`` stand for.

        The scale is the reference's standard deviation. Both histograms must hold something.
        """


class CategoryDetector(Protocol):
    """Compares two tables of counts of the same categories."""

    name: str

    def compare(self, reference: Counts, window: Counts) -> TestResult:
        """The comparison of two tables of k counts; both must hold something."""


def effective_rows(reference: Counts, window: Counts) -> float:
    """nm / (n + m): the size of one sample that is as noisy as the difference of two of n and m."""
    n, m = float(reference.sum()), float(window.sum())
    return n * m / (n + m)


def pool_rare_cells(reference: Counts, window: Counts, least: float = 5.0) -> tuple[Floats, Floats]:
    """Counts with the rare cells thrown together, so that each expects ``least`` at least in both samples.

    Rarity is measured on both samples together, which says nothing about their difference.
    """
    n, m = float(reference.sum()), float(window.sum())
    together = (reference + window) * (min(n, m) / (n + m))
    order = np.argsort(together, kind="stable")
    reached = np.cumsum(together[order])
    # The rarest cells go together until their sum is large enough, and so does each that is too rare by itself.
    rare = np.zeros(len(together), bool)
    first = int(np.searchsorted(reached, least))
    if together[order[0]] < least:
        rare[order[: first + 1]] = True
        rare |= together < least
    kept_r, kept_w = reference[~rare].astype(float), window[~rare].astype(float)
    if rare.any():
        kept_r, kept_w = np.append(kept_r, reference[rare].sum()), np.append(kept_w, window[rare].sum())
    return kept_r, kept_w


def group_bins(counts_of_reference: Counts, groups: int, *others: Counts) -> list[Counts]:
    """Neighbouring bins thrown together into about equal parts of the reference."""
    reached = np.cumsum(counts_of_reference) - counts_of_reference / 2
    total = max(float(counts_of_reference.sum()), 1.0)
    part = np.minimum((reached / total * groups).astype(np.int64), groups - 1)
    starts = np.flatnonzero(np.diff(part, prepend=-1))
    return [np.add.reduceat(counts, starts) for counts in (counts_of_reference, *others)]


def chi2_tail(statistic: float, freedom: float) -> float:
    """Probability that chi-square of so many degrees of freedom is at least the statistic; 1 for none."""
    from scipy.special import chdtrc  # noqa: PLC0415

    return float(chdtrc(freedom, max(statistic, 0.0))) if freedom > 0 else 1.0


def pearson_statistic(reference: Counts, window: Counts) -> tuple[float, int]:
    """Pearson's X² that two samples have the same shares, rare cells thrown together, and its degrees of freedom."""
    r, w = pool_rare_cells(reference, window)
    p, q = r / r.sum(), w / w.sum()
    middle = (r + w) / (r.sum() + w.sum())
    seen = middle > 0
    return effective_rows(reference, window) * float(np.sum((p - q)[seen] ** 2 / middle[seen])), len(r) - 1


def squared_deviate(p_value: float) -> float:
    """The square of the normal deviate that is at least as far out, on either side, with that probability."""
    from scipy.special import ndtri  # noqa: PLC0415

    return float(ndtri(max(p_value, 1e-300) / 2)) ** 2


def share_beyond(before: Floats, now: Floats) -> float:
    """Share of a window's values that lie where no more than 1 % of the reference's do, less the reference's own share.

    Args:
        before: (b,) shares of the reference's values up to each bin.
        now: (b,) shares of the window's values up to the same bins.
    """
    low, high = before.searchsorted((RARE, 1 - RARE)).tolist()
    below = float(now[low - 1] - before[low - 1]) if low else 0.0
    above = float(before[high] - now[high])
    return max(below, 0.0) + max(above, 0.0)
