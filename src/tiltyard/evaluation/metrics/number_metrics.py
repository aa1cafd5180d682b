"""Metrics of predicted numbers: how far they are from the true ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.labelled_predictions import NumberPredictions, Weights

Values = NDArray[np.float64]


def mean_absolute_error(rows: NumberPredictions, weights: Weights | None = None) -> Values:
    """Mean distance of predicted and true number, in the unit of the label."""
    return _mean(np.abs(rows.errors), weights)


def root_mean_squared_error(rows: NumberPredictions, weights: Weights | None = None) -> Values:
    """Root of the mean squared distance, in the unit of the label: large errors count for more."""
    return np.sqrt(_mean(rows.errors**2, weights))


def explained_share(rows: NumberPredictions, weights: Weights | None = None) -> Values:
    """R², the share of the variance of the true numbers that the predictions explain; NaN where these do not vary.

    1 less the squared errors over the squared distances from the mean of the same rows: 1 is perfect, 0 is as good as
    that mean, and it has no lower limit.
    """
    counts = _ones(rows) if weights is None else weights
    total = counts.sum(axis=1)
    mean = np.divide(counts @ rows.truth, total, out=np.zeros(len(counts)), where=total > 0)
    # From the mean of all rows first: squares of numbers far from 0 would lose their digits.
    centre = float(rows.truth.mean())
    spread = counts @ (rows.truth - centre) ** 2 - total * (mean - centre) ** 2
    whole = counts @ (rows.truth - centre) ** 2
    varies = spread > 1e-12 * np.maximum(whole, np.finfo(np.float64).tiny)
    missed = counts @ rows.errors**2
    return np.where(varies, 1 - np.divide(missed, spread, out=np.zeros(len(counts)), where=varies), np.nan)


def mean_percentage_error(rows: NumberPredictions, weights: Weights | None = None) -> Values:
    """Mean distance as a share of the true number's size (0.1 is 10 %); NaN where a true number is 0."""
    zero = rows.truth == 0
    shares = np.divide(np.abs(rows.errors), np.abs(rows.truth), out=np.zeros(len(rows)), where=~zero)
    found = _mean(shares, weights)
    touched = np.array([zero.any()]) if weights is None else (weights @ zero.astype(np.float64)) > 0
    return np.where(touched, np.nan, found)


def pinball_loss(level: float) -> Callable[[NumberPredictions, Weights | None], Values]:
    """The pinball loss of predictions as the quantile of that level (Koenker and Bassett, Econometrica 46, 1978).

    Too low by d costs level times d, too high by d costs (1 - level) times d; the mean over rows.
    """

    def metric(rows: NumberPredictions, weights: Weights | None = None) -> Values:
        low = -rows.errors
        return _mean(np.maximum(level * low, (level - 1) * low), weights)

    return metric


def _mean(losses: Values, weights: Weights | None) -> Values:
    if weights is None:
        return np.array([losses.mean()])
    total = weights.sum(axis=1)
    summed: Values = weights @ losses
    means: Values = np.divide(summed, total, out=np.full(len(weights), np.nan), where=total > 0)
    return means


def _ones(rows: NumberPredictions) -> Weights:
    return np.ones((1, len(rows)))
