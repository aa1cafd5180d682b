"""Rows that belong together say less than as many rows by themselves: what groups of rows can show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from tiltyard.evaluation.labelled_predictions import Codes

CONFIDENCE = 0.95
"""Of every interval of an evaluation."""

# The exact chances come from a Fourier transform, whose rounding is of this size.
_ROUNDING = 1e-14
# More groups than this are left out together, in so many parts.
MOST_PARTS = 200
# The weight with which intervals of shares near 1 held what they promise in simulations (ADR 0067).
_UNSEEN = 0.2


@dataclass(frozen=True)
class EffectiveSample:
    """So many independent rows would tell a mean as well as rows do that belong together in groups.

    Attributes:
        rows: their number, as if the variance were known.
        alike: so many groups of equal size would tell as much; None where each row is by itself.
    """

    rows: float
    alike: float | None = None

    def at(self, confidence: float) -> float:
        """Their number for an interval: by (z / t)² fewer, as the variance is known from few groups only."""
        if self.alike is None:
            return self.rows
        return self.rows * float(ndtri((1 + confidence) / 2) / student_quantile(self.alike, confidence)) ** 2


def effective_sample_size(
    values: NDArray[np.float64], clusters: Codes | None, *, unseen: float = 0.0
) -> EffectiveSample:
    """How many independent rows would tell a mean as well as these rows do, which belong together in groups.

    With this number an interval for independent rows becomes one for groups (Korn and Graubard, Survey Methodology 24,
    1998): the variance of the values over the squared standard error of their mean. That error is found by leaving out
    each group in turn (jackknife). Where the values do not vary at all, each group counts as one row. There are never
    more than the rows, and none where there is one group.

    Args:
        values: n numbers, such as the lead of one version on each row.
        clusters: n codes of groups, from 0 on; None where each row is by itself.
        unseen: weight of two groups that were not seen (``effective_share_size``); only for values of 0 and 1.
    """
    if clusters is None:
        return EffectiveSample(float(len(values)))
    sizes = np.bincount(clusters)
    if len(sizes) < 2:
        return EffectiveSample(0.0, 1.0)
    sums = np.bincount(clusters, weights=values)
    alike, rows = count_alike(sizes), float(len(values))
    spread = float(np.var(values))
    left_out = (sums.sum() - sums) / (rows - sizes)
    error = (1 - 1 / len(sizes)) * float(np.sum((left_out - values.mean()) ** 2))
    if unseen:
        share = (float(values.mean()) * len(sizes) + unseen) / (len(sizes) + 2 * unseen)
        spread = share * (1 - share)
        error += unseen * (share**2 + (1 - share) ** 2) / len(sizes) ** 2
    return EffectiveSample(alike if spread <= 0 or error <= 0 else min(rows, spread / error), alike)


def effective_share_size(hits: NDArray[np.bool_], clusters: Codes | None) -> EffectiveSample:
    """``effective_sample_size`` for the share of ``hits`` (n booleans), at least one row.

    A share near 1 is often missed where few groups hold most of the errors and none of them happened to be drawn. So
    the error counts two groups of the mean size that were not seen, one all right and one all wrong, with a small
    weight.
    """
    return effective_sample_size(hits.astype(np.float64), clusters, unseen=_UNSEEN)


def student_quantile(alike: float, confidence: float) -> float:
    """How many standard errors an interval reaches to either side where it is known from so many groups alike."""
    return float(stdtrit(max(alike - 1, 0.5), (1 + confidence) / 2))


def count_alike(sizes: NDArray[np.int64]) -> float:
    """The number of equally large groups that would tell as much as groups of these sizes (Kish's design effect)."""
    return float(sizes.sum() ** 2 / np.sum(sizes.astype(np.float64) ** 2))


def cluster_sizes(clusters: Codes) -> NDArray[np.int64]:
    """Rows of each group."""
    sizes = np.bincount(clusters)
    return sizes[sizes > 0]


def widen_level(level: float, sizes: NDArray[np.int64]) -> float:
    """The level of the bootstrap percentile that keeps ``level`` where few groups were drawn.

    The bootstrap takes the spread among the groups at hand for the true one: it is too narrow by the root of 1 - 1 /
    groups, and normal where it should be Student's t (the expanded percentile interval, Hesterberg, The American
    Statistician 69, 2015). 0 for a single group.
    """
    freedom = count_alike(sizes) - 1
    if len(sizes) < 2:
        return 0.0
    return float(ndtr(stdtrit(max(freedom, 0.5), level) / math.sqrt(1 - 1 / len(sizes))))


def widen_share(share: float, sizes: NDArray[np.int64]) -> float:
    """The p-value for a share of bootstrap draws, by the same correction as ``widen_level``."""
    freedom = count_alike(sizes) - 1
    if len(sizes) < 2:
        return 1.0
    return float(stdtr(max(freedom, 0.5), float(ndtri(share)) * math.sqrt(1 - 1 / len(sizes))))


def divide_groups(clusters: Codes, random: np.random.Generator) -> Codes:
    """The groups in at most 200 parts, which hold about as many rows each.

    Args:
        clusters: n codes of groups, from 0 on.
        random: decides which groups share a part.

    Returns:
        n codes of parts, from 0 on.
    """
    sizes = np.bincount(clusters)
    if len(sizes) <= MOST_PARTS:
        return clusters
    order = random.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    turns = np.arange(len(sizes)) % (2 * MOST_PARTS)
    part = np.empty(len(sizes), dtype=np.intp)
    part[order] = np.where(turns < MOST_PARTS, turns, 2 * MOST_PARTS - 1 - turns)  # large ones first, there and back
    return np.asarray(part[clusters], dtype=np.intp)


def exchange_tails(leads: NDArray[np.int64]) -> tuple[float, float]:
    """The chance of a total at least, and at most, as large, if the sign of each group's lead were a fair coin's.

    Exact for any number of groups: the distribution of the total, from its Fourier transform. With a lead of one in
    each group it is McNemar's test.

    Args:
        leads: for each group its lead, positive or negative, in rows.
    """
    apart = np.abs(leads[leads != 0])
    total = int(apart.sum())
    if not total:
        return 1.0, 1.0
    won = int(leads[leads > 0].sum())
    length = total + 1
    angles = -2j * np.pi * np.arange(length // 2 + 1) / length
    transform = np.ones(length // 2 + 1, dtype=np.complex128)
    for size, groups in zip(*np.unique(apart, return_counts=True), strict=True):
        transform *= ((1 + np.exp(angles * size)) / 2) ** int(groups)
    chances = np.clip(np.fft.irfft(transform, length), 0.0, 1.0)
    least = max(0.5 ** len(apart), _ROUNDING)
    return (
        min(1.0, max(least, float(chances[won:].sum()))),
        min(1.0, max(least, float(chances[: won + 1].sum()))),
    )
