"""Detectors for shares of rows: what is missing, what is not a number, and categories that are new."""

from __future__ import annotations

import numpy as np

from tiltyard.drift.detectors.result import TestResult

_WORTH_IT = 0.3
_SMALL = 10_000


class ShareOfRows:
    """Fisher's exact test that a share of rows is the same in two samples.

    Given how many rows of both are of the kind, the number in the window is hypergeometric; the p-value is the
    probability of all numbers that are not likelier than the one seen (Fisher, 1935). ``greater`` asks only whether
    the share grew. The effect is the difference of the shares.

    Example:
        >>> test = ShareOfRows()
        >>> test.compare((50, 1000), (6, 100)).p_value > 0.5
        True
        >>> found = test.compare((50, 1000), (20, 100))
        >>> found.p_value < 1e-6, round(found.effect, 2)
        (True, 0.15)
    """

    name = "fisher"

    def __init__(self, *, greater: bool = False) -> None:
        self.greater = greater

    def compare(self, reference: tuple[int, int], window: tuple[int, int]) -> TestResult:
        """The comparison of two samples, each as (rows of the kind, all rows)."""
        (a, n), (b, m) = reference, window
        difference = b / m - a / n
        if a + b == 0 or a + b == n + m:
            return TestResult(0.0, 1.0)
        p_value = self._normal(a, n, b, m)
        # The exact one takes a thousand times as long: it is computed where it decides.
        if p_value < _WORTH_IT and min(a + b, n + m - a - b) <= _SMALL:
            p_value = self._exact(a, n, b, m)
        squared = difference**2 / ((a + b) / (n + m) * (1 - (a + b) / (n + m)) * (1 / n + 1 / m))
        return TestResult(difference if self.greater else abs(difference), p_value, squared)

    def _exact(self, a: int, n: int, b: int, m: int) -> float:
        from scipy.stats import fisher_exact  # noqa: PLC0415

        table = np.array([[b, m - b], [a, n - a]])
        return float(fisher_exact(table, alternative="greater" if self.greater else "two-sided").pvalue)

    def _normal(self, a: int, n: int, b: int, m: int) -> float:
        """The score test, which large samples make as good."""
        from scipy.special import ndtr  # noqa: PLC0415

        share = (a + b) / (n + m)
        z = (b / m - a / n) / np.sqrt(share * (1 - share) * (1 / n + 1 / m))
        return float(ndtr(-z)) if self.greater else float(2 * ndtr(-abs(z)))
