"""Confidence intervals: 95 % intervals of shares, of their differences, and of any metric."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.labelled_predictions import Codes, EvaluatedRows
from tiltyard.evaluation.metrics import Metric
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.evaluation.resampling.by_group import (
    CONFIDENCE,
    cluster_sizes,
    count_alike,
    effective_share_size,
    widen_level,
)
from tiltyard.evaluation.resampling.row_kinds import distinct_predictions

# The ends of an interval for few groups are rare draws; of this many groups they hardly are.
_MORE_FOR_GROUPS, _FEW_GROUPS = 5, 100

# More rows than this are not drawn at once, of a metric of probabilities: it would take seconds a slice.
MOST_DRAWN = 20_000


class Interval(NamedTuple):
    """From ``low`` to ``high``, both included; in JSON a list of the two."""

    low: float
    high: float


def wilson(hits: float, rows: float, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of a share (Wilson, Journal of the American Statistical Association 22, 1927).

    It keeps its promise for few rows and for shares near 0 and 1 too, where Wald's does not.

    Args:
        hits: rows that have the property.
        rows: all rows; without any, the share may be anything.
        confidence: how often such an interval holds the true share.
    """
    if rows == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, weight = hits / rows, z * z / rows
    middle = (share + weight / 2) / (1 + weight)
    spread = z * math.sqrt(share * (1 - share) / rows + weight / (4 * rows)) / (1 + weight)
    return Interval(max(0.0, min(share, middle - spread)), min(1.0, max(share, middle + spread)))


def share_interval(hits: NDArray[np.bool_], clusters: Codes | None = None) -> Interval:
    """Wilson's 95 % interval of the share of ``hits``; of rows that belong together, of so many that tell as much.

    Args:
        hits: n booleans.
        clusters: n codes of groups, from 0 on; None where each row is by itself.
    """
    if len(hits) == 0 or clusters is None:
        return wilson(int(hits.sum()), len(hits))
    rows = effective_share_size(hits, clusters).at(CONFIDENCE)
    return wilson(float(hits.mean()) * rows, rows)


def newcombe(
    hits: float, rows: float, other_hits: float, other_rows: float, confidence: float = CONFIDENCE
) -> Interval:
    """The interval of a share less another, of different rows (Newcombe, Statistics in Medicine 17, 1998, method 10).

    It is made from the two Wilson intervals. With no rows on a side the difference may be anything.

    Args:
        hits: rows that have the property on the first side.
        rows: all rows of the first side.
        other_hits: the same of the other side.
        other_rows: all rows of the other side.
        confidence: how often such an interval holds the true difference.
    """
    if rows == 0 or other_rows == 0:
        return Interval(-1.0, 1.0)
    one, other = hits / rows, other_hits / other_rows
    first, second = wilson(hits, rows, confidence), wilson(other_hits, other_rows, confidence)
    down = math.hypot(one - first.low, second.high - other)
    up = math.hypot(first.high - one, other - second.low)
    return Interval(one - other - down, one - other + up)


def bootstrap(metric: Metric, labelled: EvaluatedRows, *, resamples: int = 200, seed: int = 0) -> Interval | None:
    """The percentile interval of any metric (Efron and Tibshirani, 1993, chapter 13).

    Draws in which the metric is not defined are left out; if they are more than half, there is no interval. Of more
    than 20,000 rows a metric of probabilities is computed on draws of 20,000, whose spread is then shrunk by the root
    of the ratio (Politis, Romano and Wolf, 1999, chapter 2). Rows that belong together are drawn as whole groups, and
    the percentiles widened for their number (``widen_level``); of one group there is no interval.

    Args:
        metric: what is computed; it must be defined on these rows.
        labelled: n labelled predictions.
        resamples: number of draws.
        seed: of the draws; the same seed gives the same interval.
    """
    value = metric.compute(labelled)
    random = np.random.default_rng(seed)
    shrink = 1.0
    level = (1 - CONFIDENCE) / 2
    if labelled.clusters is not None:
        if labelled.cluster_count == 1:
            return None
        sizes = cluster_sizes(labelled.clusters)
        level = widen_level(level, sizes)
        resamples *= _MORE_FOR_GROUPS if count_alike(sizes) < _FEW_GROUPS else 1
    if (metric.needs_probabilities or not TaskEvaluation.find_for_target(metric.target).counts_rows) and len(
        labelled
    ) > MOST_DRAWN:
        labelled, shrink = _draw_part(labelled, random)
        centre = metric.compute(labelled)
    labelled, kinds = distinct_predictions(metric, labelled)
    drawn = np.concatenate([metric.weighted(labelled, weights) for weights in kinds.draw(resamples, random)])
    drawn = drawn[~np.isnan(drawn)]
    if 2 * len(drawn) < resamples:
        return None
    low, high = np.quantile(drawn, [level, 1 - level])
    if shrink < 1:
        low, high = value + shrink * (low - centre), value + shrink * (high - centre)
    return Interval(float(min(low, value)), float(max(high, value)))


def _draw_part(labelled: EvaluatedRows, random: np.random.Generator) -> tuple[EvaluatedRows, float]:
    """About as many rows as are drawn at most, in whole groups, and the root of their share."""
    if labelled.clusters is None:
        part = labelled.take(random.choice(len(labelled), MOST_DRAWN, replace=False))
        return part, math.sqrt(MOST_DRAWN / len(labelled))
    sizes = np.bincount(labelled.clusters)
    order = random.permutation(len(sizes))
    chosen = order[: max(2, int(np.searchsorted(np.cumsum(sizes[order]), MOST_DRAWN, side="right")))]
    return labelled.take(np.isin(labelled.clusters, chosen)), math.sqrt(len(chosen) / len(sizes))
