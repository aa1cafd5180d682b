"""What a difference means where rows of one group or period are alike: the tail of a test, for fewer rows."""

from __future__ import annotations

import numpy as np

from tiltyard.drift.detectors.result import TestResult, squared_deviate
from tiltyard.drift.profiles.dependence import EffectiveRows


def dependent_p_value(outcome: TestResult, worth: EffectiveRows) -> float:
    """The probability of at least such a difference, of rows that are worth fewer independent ones.

    The statistic is divided by the inflation of its variance, which is an estimate from b blocks: what was chi-square
    of k degrees of freedom is then F of ν and ν (b - 1), with ν the directions in which blocks differ (Rao and Scott,
    1984; Thomas and Rao, 1987), and a normal deviate is Student's t. Kolmogorov's tail is translated into a normal
    deviate. It is never less than for independent rows.

    Args:
        outcome: the test, as of independent rows.
        worth: what the rows are worth.
    """
    from scipy.special import fdtrc, kolmogorov  # noqa: PLC0415

    left = outcome.statistic * worth.share
    if outcome.tail == "kolmogorov":
        deviate, freedom = squared_deviate(float(kolmogorov(np.sqrt(left)))), 1.0
    else:
        deviate, freedom = left / max(outcome.freedom, 1.0), min(worth.freedom, max(outcome.freedom, 1.0))
    return max(outcome.p_value, float(fdtrc(freedom, worth.precision, deviate)))
