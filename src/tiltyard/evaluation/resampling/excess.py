"""Does a version beat guessing, where the labels and predictions of rows that belong together resemble each other?"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from tiltyard.evaluation.labelled_predictions import Codes, LabelledPredictions, Weights
from tiltyard.evaluation.metrics import Metric
from tiltyard.evaluation.resampling.by_group import count_alike, divide_groups

# Rows times classes; of more, whole groups are left aside.
_MOST_PAIRS = 400_000
# Weights that are computed at once; bounds the memory to some tens of MB.
_AT_ONCE = 2_000_000


def excess_p_value(metric: Metric, labelled: LabelledPredictions, *, seed: int = 0) -> float:
    """How likely a metric this good is for predictions that know nothing of their rows, by groups of rows, one-sided.

    To deal predictions to rows anew is wrong where rows belong together: a lucky guess about a group is a lucky guess
    about all of its rows. So the metric is compared with what it would be if each prediction met every row's label
    alike, which is what many deals come to on the average: the same metric, on all pairs of a prediction and a label.
    By how much it is better is 0 in truth for predictions that know nothing; its standard error is found by leaving out
    each group in turn (jackknife), and the p-value is Student's t's, with as many degrees of freedom as groups of equal
    size would have, less two: the labels' shares are estimated too. It is never below a half to the power of the
    groups: that many fair coins fall alike so often.

    Args:
        metric: the metric by which versions are compared.
        labelled: n predictions with groups.
        seed: of the division of many groups into parts, and of which groups are left aside where rows times classes
            are more than 400,000.

    Returns:
        The p-value; 1 where the metric is not defined without some group, or all rows are of one group.
    """
    random = np.random.default_rng([seed, 2])
    labelled = _leave_aside(metric, labelled, random)
    if labelled.clusters is None or labelled.cluster_count == 1:
        return 1.0
    parts = divide_groups(labelled.clusters, random)
    sizes = np.bincount(parts)
    without = _excess_without(metric, labelled, parts)
    if np.isnan(without).any():
        return 1.0
    if not metric.bigger_is_better:
        without = -without
    whole, left_out = float(without[0]), without[1:]
    error = math.sqrt(float(np.sum((left_out - whole) ** 2)))
    least = 0.5 ** min(int(labelled.cluster_count or 1), 1000)
    if error <= 0:
        return least if whole > 0 else 1.0
    return max(least, float(stdtr(max(count_alike(sizes) - 2, 0.5), -whole / error)))


def _leave_aside(metric: Metric, labelled: LabelledPredictions, random: np.random.Generator) -> LabelledPredictions:
    most = _MOST_PAIRS // len(labelled.classes)
    if not metric.needs_probabilities or labelled.clusters is None or len(labelled) <= most:
        return labelled
    sizes = np.bincount(labelled.clusters)
    order = random.permutation(len(sizes))
    kept = order[: max(2, int(np.searchsorted(np.cumsum(sizes[order]), most, side="right")))]
    return labelled.take(np.isin(labelled.clusters, kept))


def _excess_without(metric: Metric, labelled: LabelledPredictions, parts: Codes) -> NDArray[np.float64]:
    """The metric less that of all pairs: first of all rows, then without each part in turn."""
    if metric.needs_probabilities:
        return _excess_of_rows(metric, labelled, parts)
    return _excess_of_labels(metric, labelled, parts)


def _excess_of_labels(metric: Metric, labelled: LabelledPredictions, parts: Codes) -> NDArray[np.float64]:
    """By the counts of each pair of labels."""
    k = len(labelled.classes)
    cells = labelled.truth * k + labelled.predicted_codes
    counts = np.bincount(parts * k * k + cells, minlength=(int(parts.max()) + 1) * k * k).reshape(-1, k * k)
    total = counts.sum(axis=0)
    weights = np.vstack([total, total - counts]).astype(np.float64)
    tables = weights.reshape(-1, k, k)
    rows = weights.sum(axis=1)[:, None]
    pairs = (tables.sum(axis=2)[:, :, None] * tables.sum(axis=1)[:, None, :]).reshape(-1, k * k) / rows
    names = np.asarray(labelled.classes, dtype=str)
    grid = replace(labelled, labels=np.repeat(names, k), predicted=np.tile(names, k), probabilities=None, clusters=None)
    return np.asarray(metric.weighted(grid, weights) - metric.weighted(grid, pairs))


def _excess_of_rows(metric: Metric, labelled: LabelledPredictions, parts: Codes) -> NDArray[np.float64]:
    """By each row's probabilities, next to every label in its share."""
    k, rows = len(labelled.classes), len(labelled)
    positions = np.repeat(np.arange(rows), k)
    names = np.asarray(labelled.classes, dtype=str)
    paired = replace(labelled.take(positions), labels=np.tile(names, rows), clusters=None)
    truth = np.eye(k)[labelled.truth]
    found = []
    numbers = np.arange(-1, int(parts.max()) + 1)  # -1: without none
    at_once = max(1, _AT_ONCE // (rows * k))
    for start in range(0, len(numbers), at_once):
        weights: Weights = (parts[None, :] != numbers[start : start + at_once, None]).astype(np.float64)
        shares = weights @ truth / weights.sum(axis=1, keepdims=True)
        pairs = (weights[:, :, None] * shares[:, None, :]).reshape(len(weights), rows * k)
        found.append(metric.weighted(labelled, weights) - metric.weighted(paired, pairs))
    return np.concatenate(found)
