"""Correction for many tests: with a hundred tests at 0.05, five alarms a comparison would be chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tiltyard.drift.detectors.result import Floats
from tiltyard.drift.options import Correction


def adjust_p_values(p_values: Sequence[float], correction: Correction) -> Floats:
    """The p-values of m tests, so corrected that each may be compared with the rate for all of them together.

    ``holm``: the probability of one false alarm or more among all tests is at most the rate, however the tests
    depend on each other (Holm, 1979). ``benjamini-hochberg``: the expected share of false ones among the alarms is
    at most the rate, if the tests do not oppose each other (Benjamini and Hochberg, 1995); while nothing drifts that
    is the probability of any alarm. It finds more where several things drift.

    Example:
        >>> [float(p) for p in adjust_p_values([0.01, 0.04, 0.03], "holm")]
        [0.03, 0.06, 0.06]
        >>> [round(float(p), 3) for p in adjust_p_values([0.01, 0.04, 0.03], "benjamini-hochberg")]
        [0.03, 0.04, 0.04]
    """
    values = np.asarray(p_values, np.float64)
    m = len(values)
    if not m:
        return values
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    if correction == "holm":
        corrected = np.maximum.accumulate(ranked * (m - np.arange(m)))
    else:
        corrected = np.minimum.accumulate((ranked * m / np.arange(1, m + 1))[::-1])[::-1]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(corrected, 1.0)
    return adjusted
