"""Detectors for categories: chi-square, and the distance of Jensen and Shannon."""

from __future__ import annotations

import numpy as np

from tiltyard.drift.detectors.result import (
    Counts,
    TestResult,
    chi2_tail,
    effective_rows,
    pearson_statistic,
    pool_rare_cells,
)


class ChiSquare:
    """Pearson's test that two samples have the same shares of each category.

    X² = nm / (n + m) · Σ (p - q)² / p̄ with p̄ the shares in both together; categories too rare to expect five in each
    sample are thrown together. Pearson (1900). The effect is Cohen's w (1988), √(X² / (nm / (n + m))), less what
    chance is expected to add.

    Example:
        >>> import numpy as np
        >>> test = ChiSquare()
        >>> test.compare(np.array([500, 300, 200]), np.array([52, 29, 19])).p_value > 0.05
        True
        >>> found = test.compare(np.array([500, 300, 200]), np.array([20, 30, 50]))
        >>> found.p_value < 1e-9, 0.5 < found.effect < 0.8
        (True, True)
    """

    name = "chi-square"

    def compare(self, reference: Counts, window: Counts) -> TestResult:
        """See ``CategoryDetector.compare``."""
        statistic, freedom = pearson_statistic(reference, window)
        size = effective_rows(reference, window)
        effect = float(np.sqrt(max(statistic - freedom, 0.0) / size))
        return TestResult(effect, chi2_tail(statistic, freedom), statistic, freedom)


class JensenShannon:
    """The square root of the Jensen–Shannon divergence in bits: a distance from 0 to 1.

    JS = (KL(p ‖ m) + KL(q ‖ m)) / 2 with m = (p + q) / 2. Lin (1991); Endres and Schindelin (2003). To second order
    8 JS nm / (n + m), in nats, is Pearson's X², whose tail is used: it is nearer to its limit where counts are small.
    The effect is the distance, with the divergence reduced by what chance is expected to add.

    Example:
        >>> import numpy as np
        >>> test = JensenShannon()
        >>> test.compare(np.array([500, 300, 200]), np.array([52, 29, 19])).p_value > 0.05
        True
        >>> found = test.compare(np.array([500, 300, 200]), np.array([20, 30, 50]))
        >>> found.p_value < 1e-9, 0.2 < found.effect < 0.4
        (True, True)
    """

    name = "jensen-shannon"

    def compare(self, reference: Counts, window: Counts) -> TestResult:
        """See ``CategoryDetector.compare``."""
        statistic, freedom = pearson_statistic(reference, window)
        r, w = pool_rare_cells(reference, window)
        p, q = r / r.sum(), w / w.sum()
        middle = (p + q) / 2
        divergence = (_kl_divergence(p, middle) + _kl_divergence(q, middle)) / 2
        net = max(divergence - freedom / (8 * effective_rows(reference, window)), 0.0)
        return TestResult(float(np.sqrt(net / np.log(2))), chi2_tail(statistic, freedom), statistic, freedom)


def _kl_divergence(p: np.ndarray, m: np.ndarray) -> float:
    occurs = p > 0
    return float(np.sum(p[occurs] * np.log(p[occurs] / m[occurs])))
