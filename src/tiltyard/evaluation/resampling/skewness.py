"""A lead that few groups could undo: Student's t on groups of rows, corrected for skewness."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from tiltyard.evaluation.labelled_predictions import Evaluated
from tiltyard.evaluation.metrics import Metric
from tiltyard.evaluation.resampling.by_group import divide_groups
from tiltyard.evaluation.resampling.row_kinds import RowKinds, distinct_rows

# Of the skewness of a sample: rare bad groups are often not in it, so it is too small (ADR 0086).
_SKEWNESS_WEIGHT = 1.5


def corrected_tails(leads: NDArray[np.float64]) -> tuple[float, float]:
    """The chance of a mean at least, and at most, as large, if groups' leads were 0 on the average.

    Where a version wins a little in most groups and loses much in few, a sample that happens to hold few of the few has
    a large mean and a small spread at once, and Student's t and the exchange of groups find a lead too often. So t is
    transformed by its skewness (Hall, Journal of the Royal Statistical Society B 54, 1992): with the mean m in standard
    deviations of the n leads, and their skewness g,

        z = √n (m + g m² / 3 + g² m³ / 27 + g / 6n).

    The skewness counts 1.5 times, and z is compared with Student's t of n - 1 degrees of freedom.

    Args:
        leads: of each of n groups, in any unit.
    """
    count = len(leads)
    spread = float(np.std(leads))
    if count < 2 or spread <= 1e-12 * float(np.max(np.abs(leads), initial=0.0)):
        mean = float(np.mean(leads)) if count > 1 else 0.0
        return (1.0 if mean <= 0 else 0.0), (1.0 if mean >= 0 else 0.0)
    mean = float(np.mean(leads)) / (spread * math.sqrt(count / (count - 1)))
    skewness = 0.0
    if count > 2:
        small = math.sqrt(count * (count - 1)) / (count - 2)
        skewness = _SKEWNESS_WEIGHT * small * float(np.mean(((leads - np.mean(leads)) / spread) ** 3))
    moved = mean + skewness * mean**2 / 3 + skewness**2 * mean**3 / 27 + skewness / (6 * count)
    z = math.sqrt(count) * moved
    return float(stdtr(count - 1, -z)), float(stdtr(count - 1, z))


def group_tails(metric: Metric, champion: Evaluated, challenger: Evaluated, *, seed: int = 0) -> tuple[float, float]:
    """``corrected_tails`` for a lead by any metric; groups' leads are what leaving out each in turn shows (jackknife).

    Args:
        metric: what is compared; it must be defined for both.
        champion: the champion's predictions for n rows; without groups each row is one.
        challenger: the challenger's predictions for the same rows, with the same classes.
        seed: of the division of many groups into parts.

    Returns:
        The p-value of a lead, and that of a loss; 1 where the metric is not defined without some group.
    """
    clusters = np.arange(len(champion)) if champion.clusters is None else champion.clusters
    parts = divide_groups(clusters, np.random.default_rng([seed, 3]))
    first, second = replace(champion, clusters=parts), replace(challenger, clusters=parts)
    one, other, counted = distinct_rows(metric, first, second)
    kinds: RowKinds = counted
    whole = kinds.counts[None, :].astype(np.float64)
    found = [metric.weighted(other, weights) - metric.weighted(one, weights) for weights in (whole, *kinds.leave_out())]
    differences = np.concatenate(found) * (1.0 if metric.bigger_is_better else -1.0)
    if np.isnan(differences).any():
        return 1.0, 1.0
    seen, without = float(differences[0]), differences[1:]
    # Pseudo-values about the lead that was seen (Efron and Tibshirani, 1993, section 11.5).
    return corrected_tails(seen + (len(without) - 1) * (float(np.mean(without)) - without))
