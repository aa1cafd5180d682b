"""Detectors for numbers: Kolmogorov–Smirnov, the population stability index, and Wasserstein's distance."""

from __future__ import annotations

import math

import numpy as np

from tiltyard.drift.detectors.result import (
    Counts,
    Floats,
    TestResult,
    chi2_tail,
    effective_rows,
    group_bins,
    pearson_statistic,
    squared_deviate,
)

PSI_GROUPS = 10

DIVISIONS = 499
"""Random divisions of a permutation test."""

_MANY = 1_000_000_000


class KolmogorovSmirnov:
    """The greatest distance between two distribution functions.

    D = max |F(x) - G(x)| over the edges x; between edges it could only be greater, so a histogram errs on the quiet
    side. Kolmogorov (1933), Smirnov (1939); the tail is Kolmogorov's at N = nm / (n + m) rows, as Stephens (1970)
    corrects it for small N. With ``greater``, only a window of greater values counts: D = max (F - G), whose tail is
    exp(-2 N D²) (Smirnov). The effect is D: the greatest share of rows that moved across one point.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(1)
        >>> edges = np.linspace(-3, 3, 61)
        >>> def histogram(values):
        ...     return np.bincount(np.searchsorted(edges, values), minlength=62)
        >>> base, same, moved = rng.normal(size=5000), rng.normal(size=1000), rng.normal(0.5, size=1000)
        >>> test = KolmogorovSmirnov()
        >>> test.compare(histogram(base), histogram(same), edges, 1.0).p_value > 0.05
        True
        >>> found = test.compare(histogram(base), histogram(moved), edges, 1.0)
        >>> found.p_value < 1e-20, round(found.effect, 2)
        (True, 0.21)
    """

    name = "ks"

    def __init__(self, *, greater: bool = False) -> None:
        self.greater = greater

    def compare(self, reference: Counts, window: Counts, centres: Floats, scale: float) -> TestResult:  # noqa: ARG002
        """See ``NumberDetector.compare``."""
        return self.compare_shares(_cumulate(reference), _cumulate(window), effective_rows(reference, window))

    def compare_shares(self, reference: Floats, window: Floats, size: float) -> TestResult:
        """The same of (b,) shares up to each bin, and nm / (n + m) rows."""
        from scipy.special import kolmogorov  # noqa: PLC0415

        above = reference - window
        if self.greater:
            most = max(float(above.max()), 0.0)
            squared = size * most**2
            return TestResult(most, math.exp(-2 * squared), squared, tail="kolmogorov")
        distance = max(float(above.max()), -float(above.min()))
        root = math.sqrt(size)
        squared = (root + 0.12 + 0.11 / root) ** 2 * distance**2
        return TestResult(distance, float(kolmogorov(math.sqrt(squared))), squared, tail="kolmogorov")


class PopulationStability:
    """The population stability index over tenths of the reference.

    PSI = Σ (p - q) ln(p / q). For two samples of one distribution, PSI · nm / (n + m) is to second order Pearson's X²
    (Yurdakul, 2018); that, not a fixed 0.1 or 0.25, tells chance from drift. The effect is PSI less what chance is
    expected to add.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(1)
        >>> edges = np.linspace(-3, 3, 61)
        >>> def histogram(values):
        ...     return np.bincount(np.searchsorted(edges, values), minlength=62)
        >>> base, same, moved = rng.normal(size=5000), rng.normal(size=1000), rng.normal(0.5, size=1000)
        >>> test = PopulationStability()
        >>> test.compare(histogram(base), histogram(same), edges, 1.0).p_value > 0.05
        True
        >>> found = test.compare(histogram(base), histogram(moved), edges, 1.0)
        >>> found.p_value < 1e-20, found.effect > 0.2
        (True, True)
    """

    name = "psi"

    def compare(self, reference: Counts, window: Counts, centres: Floats, scale: float) -> TestResult:  # noqa: ARG002
        """See ``NumberDetector.compare``."""
        size = effective_rows(reference, window)
        # Few rows make few groups: logarithms of small counts have long tails.
        groups = int(np.clip(size // 10, 2, PSI_GROUPS))
        r, w = group_bins(reference, groups, window)
        freedom = len(r) - 1
        p = (r + 0.5) / (r.sum() + 0.5 * len(r))
        q = (w + 0.5) / (w.sum() + 0.5 * len(w))
        index = float(np.sum((p - q) * np.log(p / q)))
        statistic, cells = pearson_statistic(r, w)
        return TestResult(max(index - freedom / size, 0.0), chi2_tail(statistic, cells), statistic, cells)


class Wasserstein:
    """How far rows would have to be moved, in standard deviations of the reference (the earth mover's distance).

    W = ∫ |F(x) - G(x)| dx / σ (Villani, 2009). Its tail depends on the distribution, and rare far values rule it: so
    the p-value is that of a permutation test, the share of random divisions of both samples' rows that differ as much
    (Phipson and Smyth, 2010), drawn from the histogram. Where none of them does, a gamma distribution with their
    mean and variance tells how much further out W lies. The effect is W less its mean under chance.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(1)
        >>> edges = np.linspace(-3, 3, 61)
        >>> def histogram(values):
        ...     return np.bincount(np.searchsorted(edges, values), minlength=62)
        >>> centres = np.append(edges, 3.1)
        >>> base, same, moved = rng.normal(size=5000), rng.normal(size=1000), rng.normal(0.5, size=1000)
        >>> test = Wasserstein()
        >>> test.compare(histogram(base), histogram(same), centres, 1.0).p_value > 0.05
        True
        >>> found = test.compare(histogram(base), histogram(moved), centres, 1.0)
        >>> found.p_value < 1e-20, 0.4 < found.effect < 0.55
        (True, True)
    """

    name = "wasserstein"

    def compare(self, reference: Counts, window: Counts, centres: Floats, scale: float) -> TestResult:
        """See ``NumberDetector.compare``."""
        gaps = np.diff(centres) / scale

        def distances(counts: Counts) -> Floats:
            reached = np.cumsum(counts, axis=-1)[..., :-1]
            rest = np.cumsum(both)[:-1] - reached
            return np.asarray(np.abs(reached / m - rest / n) @ gaps)

        both, n, m = reference + window, int(reference.sum()), int(window.sum())
        distance = float(distances(window))
        drawn = distances(_draw_divisions(both, m))
        mean, variance = float(drawn.mean()), float(drawn.var())
        as_far = int((drawn >= distance * (1 - 1e-12)).sum())
        p_value = (1 + as_far) / (1 + DIVISIONS)
        if not as_far and variance > 0:
            p_value = min(p_value, _gamma_tail(distance, mean, variance))
        return TestResult(max(distance - mean, 0.0), p_value, squared_deviate(p_value))


def _draw_divisions(both: Counts, m: int) -> Counts:
    """Histograms of m rows drawn at random, without replacement, from those of a histogram; alike at every call."""
    rng = np.random.default_rng(20050)
    occupied = np.flatnonzero(both)
    drawn = np.zeros((DIVISIONS, len(both)), np.int64)
    total = int(both.sum())
    if total < _MANY:
        drawn[:, occupied] = rng.multivariate_hypergeometric(both[occupied], m, size=DIVISIONS)
    else:  # where NumPy gives up, drawing with replacement makes no difference
        drawn[:, occupied] = rng.multinomial(m, both[occupied] / total, size=DIVISIONS)
    return drawn


def _cumulate(counts: Counts) -> Floats:
    reached = counts.cumsum()
    shares: Floats = reached / reached[-1]
    return shares


def _gamma_tail(value: float, mean: float, variance: float) -> float:
    from scipy.special import gammaincc  # noqa: PLC0415

    return float(gammaincc(mean**2 / variance, max(value, 0.0) * mean / variance))
