"""Confidence intervals: 95 % intervals of shares, of their differences, and of any metric."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.labelled_predictions import LabelledPredictions, Weights
from tiltyard.evaluation.metrics import Metric

CONFIDENCE = 0.95

# More rows than this are not drawn at once, of a metric of probabilities: it would take seconds a slice.
MOST_DRAWN = 20_000

# Weights that are drawn at once; bounds the memory of the bootstrap to some tens of MB.
_DRAWN_AT_ONCE = 2_000_000


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


def bootstrap(metric: Metric, labelled: LabelledPredictions, *, resamples: int = 200, seed: int = 0) -> Interval | None:
    """The percentile interval of any metric (Efron and Tibshirani, 1993, chapter 13).

    Draws in which the metric is not defined are left out; if they are more than half, there is no interval. Of more
    than 20,000 rows a metric of probabilities is computed on draws of 20,000, whose spread is then shrunk by the root
    of the ratio (Politis, Romano and Wolf, 1999, chapter 2).

    Args:
        metric: what is computed; it must be defined on these rows.
        labelled: n labelled predictions.
        resamples: number of draws.
        seed: of the draws; the same seed gives the same interval.
    """
    value = metric.compute(labelled)
    random = np.random.default_rng(seed)
    shrink = 1.0
    counts = np.ones(len(labelled), dtype=np.int64)
    if not metric.needs_probabilities:
        # Rows with the same two labels are the same to the metric: a draw of rows is a draw of their counts.
        kinds = labelled.truth * len(labelled.classes) + labelled.predicted_codes
        _, first, counts = np.unique(kinds, return_index=True, return_counts=True)
        labelled = labelled.take(first)
    elif len(labelled) > MOST_DRAWN:
        shrink = math.sqrt(MOST_DRAWN / len(labelled))
        labelled = labelled.take(random.choice(len(labelled), MOST_DRAWN, replace=False))
        counts = counts[:MOST_DRAWN]
        centre = metric.compute(labelled)
    drawn = np.concatenate(
        [metric.weighted(labelled, weights) for weights in bootstrap_draws(counts, resamples, random)]
    )
    drawn = drawn[~np.isnan(drawn)]
    if 2 * len(drawn) < resamples:
        return None
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    if shrink < 1:
        low, high = value + shrink * (low - centre), value + shrink * (high - centre)
    return Interval(float(min(low, value)), float(max(high, value)))


def bootstrap_draws(counts: NDArray[np.int64], resamples: int, random: np.random.Generator) -> Iterator[Weights]:
    """How often each kind of row is drawn, (m, kinds) at a time, until there were ``resamples`` draws.

    Args:
        counts: how many rows there are of each kind.
        resamples: number of draws, each of as many rows as there are.
        random: where the draws come from.
    """
    rows, kinds = int(counts.sum()), len(counts)
    at_once = max(1, _DRAWN_AT_ONCE // kinds)
    for start in range(0, resamples, at_once):
        together = min(at_once, resamples - start)
        if kinds < rows:
            yield random.multinomial(rows, counts / rows, size=together).astype(np.float64)
        else:
            chosen = random.integers(0, rows, (together, rows)) + rows * np.arange(together)[:, None]
            yield np.bincount(chosen.ravel(), minlength=together * rows).reshape(together, rows).astype(np.float64)
