"""Metrics of probabilities: how well they rank, and how far they are from the truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.labelled_predictions import LabelledPredictions, Probabilities, Weights
from tiltyard.evaluation.metrics.label_metrics import share

Values = NDArray[np.float64]
ClassMetric = Callable[[Values, NDArray[np.bool_], Weights], Values]
CALIBRATION_BINS = 15


def roc_auc(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
    """How likely a row of a class scores above a row of another class, ties counting half (Hanley and McNeil, 1982).

    Of the positive class where there are two, else the mean over classes, each against the rest.
    """
    return _mean_over_classes(labelled, weights, _class_roc_auc)


def pr_auc(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
    """Average precision: the precision at each threshold, weighted by the recall that it adds."""
    return _mean_over_classes(labelled, weights, _class_pr_auc)


def log_loss(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
    """Mean negative logarithm (natural) of the true label's probability, which is kept off 0 by 2e-16."""
    scores = _scores(labelled)
    epsilon = np.finfo(scores.dtype).eps
    true_probability = scores[np.arange(len(labelled)), labelled.truth]
    return _mean_of_rows(-np.log(np.clip(true_probability, epsilon, 1 - epsilon)), weights)


def brier(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
    """Brier (1950): mean squared distance of the probabilities from the truth.

    Summed over classes, 0 to 2; with two classes that of the positive one alone, 0 to 1.
    """
    scores = _scores(labelled)
    true_probability = scores[np.arange(len(labelled)), labelled.truth]
    distance = np.einsum("ij,ij->i", scores, scores) - true_probability**2 + (1 - true_probability) ** 2
    return _mean_of_rows(distance / 2 if labelled.binary else distance, weights)


def calibration_error(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
    """Expected calibration error (Naeini, Cooper and Hauskrecht, 2015) of the predicted label's confidence.

    Mean distance between confidence and accuracy over 15 bins of equal width, each weighted by its rows.
    """
    scores = _scores(labelled)
    codes = labelled.predicted_codes
    confidence = scores[np.arange(len(codes)), codes]
    gap = confidence - (codes == labelled.truth)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
    order = np.argsort(bins, kind="stable")
    starts = np.unique(bins[order], return_index=True)[1]
    rows = _ones(labelled) if weights is None else weights
    gaps = np.add.reduceat((rows * gap)[:, order], starts, axis=1)
    return share(np.abs(gaps).sum(axis=1), rows.sum(axis=1))


def _class_roc_auc(score: Values, of_class: NDArray[np.bool_], weights: Weights) -> Values:
    inside, outside = _by_threshold(score, of_class, weights)
    pairs = inside.sum(axis=1) * outside.sum(axis=1)
    below = np.cumsum(outside, axis=1)
    below -= outside / 2
    won = np.einsum("ij,ij->i", inside, below)
    return np.where(pairs > 0, share(won, pairs), np.nan)


def _class_pr_auc(score: Values, of_class: NDArray[np.bool_], weights: Weights) -> Values:
    inside, outside = _by_threshold(score, of_class, weights)
    found = np.cumsum(inside[:, ::-1], axis=1)
    called = found + np.cumsum(outside[:, ::-1], axis=1)
    wanted = inside.sum(axis=1)
    area = (inside[:, ::-1] * share(found, called)).sum(axis=1)
    return np.where(wanted > 0, share(area, wanted), np.nan)


def _by_threshold(score: Values, of_class: NDArray[np.bool_], weights: Weights) -> tuple[Values, Values]:
    """Weight of the rows of a class, and of the others, at each distinct score, ascending: two of (m, t)."""
    order = np.argsort(score, kind="stable")
    starts = np.unique(score[order], return_index=True)[1]
    total = weights[:, order]
    inside = total * of_class[order]
    if len(starts) < len(order):
        inside, total = np.add.reduceat(inside, starts, axis=1), np.add.reduceat(total, starts, axis=1)
    return inside, total - inside


def _mean_over_classes(labelled: LabelledPredictions, weights: Weights | None, of_class: ClassMetric) -> Values:
    scores = _scores(labelled)
    rows = _ones(labelled) if weights is None else weights
    codes = [labelled.positive_code] if labelled.binary else range(len(labelled.classes))
    values = np.array([of_class(scores[:, code], labelled.truth == code, rows) for code in codes])
    return np.asarray(values.mean(axis=0))


def _mean_of_rows(values: Values, weights: Weights | None) -> Values:
    if weights is None:
        return np.array([values.mean()])
    return share(weights @ values, weights.sum(axis=1))


def _scores(labelled: LabelledPredictions) -> Probabilities:
    if labelled.probabilities is None:
        raise ValueError("needs probabilities")
    return labelled.probabilities


def _ones(labelled: LabelledPredictions) -> Weights:
    return np.ones((1, len(labelled)))
