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
# Of a group that was not seen, in which a version is as bad as can be: so much, and so much over the number of groups.
_UNSEEN_WEIGHT, _UNSEEN_OF_FEW = 0.25, 10.0


def measure_unseen_loss(metric: Metric, champion: float) -> float:
    """The largest lead of the champion in a group that was not seen: there the challenger is as bad as can be.

    Args:
        metric: what is compared.
        champion: its value for the champion.

    Returns:
        The lead in the metric's unit, at least 0; 0 where nothing bounds the metric, as of numbers and of log loss.
    """
    return 0.0 if metric.worst is None else abs(champion - metric.worst)


def lower_for_unseen(groups: int, loss: float) -> float:
    """By how much a mean lead counts for less, as a sample may hold none of few groups that are bad.

    A share q of bad groups is missed altogether by n groups with a chance of (1 - q)ⁿ, and then nothing in the sample
    tells of it. So a group of this ``loss`` is counted in addition, with a weight of 0.25 + 10 / n (ADR 0094).

    Args:
        groups: n of the sample, at least one.
        loss: of the additional group (``measure_unseen_loss``).
    """
    return (_UNSEEN_WEIGHT + _UNSEEN_OF_FEW / groups) * loss / groups


def count_groups(lead: float, reach: float, loss: float) -> int:
    """The least number n of groups of which the lead, lowered for what they do not show, is ``reach`` / √n at least.

    Args:
        lead: the true one, above 0.
        reach: so many standard errors as test and power take, of one group.
        loss: of a group that was not seen.
    """
    # With t = 1 / sqrt(n): lead - reach t - loss (0.25 t² + 10 t⁴) falls in t, so the root is found by halving.
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        lowered = loss * (_UNSEEN_WEIGHT * middle**2 + _UNSEEN_OF_FEW * middle**4)
        low, high = (middle, high) if lead - reach * middle - lowered >= 0 else (low, middle)
    return math.ceil(high**-2)


def corrected_tails(leads: NDArray[np.float64], lowered: float = 0.0) -> tuple[float, float]:
    """The chance of a mean at least, and at most, as large, if groups' leads were 0 on the average.

    Where a version wins a little in most groups and loses much in few, a sample that happens to hold few of the few has
    a large mean and a small spread at once, and Student's t and the exchange of groups find a lead too often. So t is
    transformed by its skewness (Hall, Journal of the Royal Statistical Society B 54, 1992): with the mean m in standard
    deviations of the n leads, and their skewness g,

        z = √n (m + g m² / 3 + g² m³ / 27 + g / 6n).

    The skewness counts 1.5 times, and z is compared with Student's t of n - 1 degrees of freedom.

    Args:
        leads: of each of n groups, in any unit.
        lowered: what the mean is lowered by, in the same unit, for the first of the two (``lower_for_unseen``). A loss
            that was seen counts in full.
    """
    count = len(leads)
    spread = float(np.std(leads))
    if count < 2 or spread <= 1e-12 * float(np.max(np.abs(leads), initial=0.0)):
        mean = float(np.mean(leads)) if count > 1 else 0.0
        return (1.0 if mean <= lowered else 0.0), (1.0 if mean >= 0 else 0.0)
    unit = spread * math.sqrt(count / (count - 1))
    means = (float(np.mean(leads)) - lowered) / unit, float(np.mean(leads)) / unit
    skewness = 0.0
    if count > 2:
        small = math.sqrt(count * (count - 1)) / (count - 2)
        skewness = _SKEWNESS_WEIGHT * small * float(np.mean(((leads - np.mean(leads)) / spread) ** 3))
    ahead, behind = (
        math.sqrt(count) * (mean + skewness * mean**2 / 3 + skewness**2 * mean**3 / 27 + skewness / (6 * count))
        for mean in means
    )
    return float(stdtr(count - 1, -ahead)), float(stdtr(count - 1, behind))


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
    lowered = 0.0
    if champion.clusters is not None and metric.worst is not None:
        loss = measure_unseen_loss(metric, float(metric.weighted(one, whole)[0]))
        lowered = lower_for_unseen(len(np.unique(clusters)), loss)
    # Pseudo-values about the lead that was seen (Efron and Tibshirani, 1993, section 11.5).
    return corrected_tails(seen + (len(without) - 1) * (float(np.mean(without)) - without), lowered)
