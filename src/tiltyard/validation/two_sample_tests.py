"""Whether two samples come from one distribution, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

_LEAST_EXPECTED = 5.0


@dataclass(frozen=True)
class Shift:
    """A difference between two samples.

    Attributes:
        test: ``ks`` or ``chi2``.
        distance: 0 (equal) to 1: Kolmogorov and Smirnov's D, or the total variation between shares.
        p_value: how often two samples of one distribution differ as much by chance.
    """

    test: str
    distance: float
    p_value: float


def shift_of_numbers(first: NDArray[np.float64], second: NDArray[np.float64]) -> Shift:
    """The two-sample test of Kolmogorov and Smirnov: D is the largest distance between the cumulative shares.

    The p-value is Kolmogorov's limit, 2 Σ (−1)^(i−1) exp(−2 i² D² nm/(n+m)); with ties it errs on the side of
    finding nothing. Inputs are n and m finite numbers, ascending, at least one each.
    """
    values = np.concatenate([first, second])
    below = np.searchsorted(first, values, side="right") / len(first)
    other = np.searchsorted(second, values, side="right") / len(second)
    distance = float(np.abs(below - other).max())
    size = len(first) * len(second) / (len(first) + len(second))
    return Shift("ks", distance, float(special.kolmogorov(np.sqrt(size) * distance)))


def shift_of_counts(first: NDArray[np.int64], second: NDArray[np.int64]) -> Shift:
    """Pearson's chi-square test of homogeneity over k categories, and the total variation ½ Σ |p − q|.

    Categories of which fewer than five are expected on a side are taken together, as is the custom (Cochran, 1954).
    """
    distance = float(np.abs(first / first.sum() - second / second.sum()).sum() / 2)
    counts = np.array([first, second], dtype=np.float64)
    share = counts.sum(axis=1, keepdims=True) / counts.sum()
    rare = (counts.sum(axis=0) * share.min()) < _LEAST_EXPECTED
    if rare.any():
        counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    counts = counts[:, counts.sum(axis=0) > 0]
    if counts.shape[1] < 2:
        return Shift("chi2", distance, 1.0)
    expected = counts.sum(axis=0) * share
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return Shift("chi2", distance, float(special.chdtrc(counts.shape[1] - 1, statistic)))


def false_discovery_adjusted(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p-values of Benjamini and Hochberg (JRSS B 57, 1995): below q, a share of at most q is by chance."""
    size = len(p_values)
    order = np.argsort(p_values)
    scaled = p_values[order] * size / np.arange(1, size + 1)
    adjusted = np.empty(size)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted
