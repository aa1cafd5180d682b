"""Metrics of predicted labels: functions of the confusion matrix."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.labelled_predictions import LabelledPredictions, Weights

Values = NDArray[np.float64]


def share(part: Values, whole: Values) -> Values:
    """``part / whole``, and 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole != 0)


def class_precision(counts: Values) -> Values:
    """(…, k, k) counts to (…, k): of the rows predicted as a class, the share that is of it."""
    return share(_hits(counts), counts.sum(axis=-2))


def class_recall(counts: Values) -> Values:
    """(…, k, k) counts to (…, k): of the rows of a class, the share predicted as it."""
    return share(_hits(counts), counts.sum(axis=-1))


def class_f1(counts: Values) -> Values:
    """(…, k, k) counts to (…, k): harmonic mean of precision and recall."""
    return share(2 * _hits(counts), counts.sum(axis=-2) + counts.sum(axis=-1))


def mean_cost(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
    """What a decision costs on the average; NaN where no costs are stated, or not for each label."""
    costs = labelled.costs
    if costs is None or np.isnan(costs).any():
        return np.full(1 if weights is None else len(weights), np.nan)
    if weights is None:
        return np.array([float(costs.mean())])
    total = weights.sum(axis=1)
    return np.asarray(np.divide(weights @ costs, total, out=np.full(len(weights), np.nan), where=total > 0))


def accuracy(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
    """Share of rows whose predicted label is the true one."""
    if weights is None:
        return np.array([np.mean(labelled.truth == labelled.predicted_codes)])
    counts = labelled.confusion(weights)
    return share(_hits(counts).sum(axis=-1), counts.sum(axis=(-1, -2)))


def balanced_accuracy(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
    """Mean recall of the classes that occur."""
    counts = labelled.confusion(weights)
    return _mean(class_recall(counts), counts.sum(axis=-1) > 0)


def matthews(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
    """Matthews correlation coefficient for k classes (Gorodkin, 2004); 0 where one side is constant."""
    counts = labelled.confusion(weights)
    total = counts.sum(axis=(-1, -2))
    true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    covariance = _hits(counts).sum(axis=-1) * total - (true * predicted).sum(axis=-1)
    spread = (total**2 - (true**2).sum(axis=-1)) * (total**2 - (predicted**2).sum(axis=-1))
    return share(covariance, np.sqrt(spread))


def _for_positive(of_class: Callable[[Values], Values]) -> Callable[[LabelledPredictions, Weights | None], Values]:
    """Of the positive class where there are two classes, else the mean over classes."""
    macro = _mean_over_present(of_class)

    def metric(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
        if not labelled.binary:
            return macro(labelled, weights)
        counts = labelled.confusion(weights)
        positive = labelled.positive_code
        occurs = counts.sum(axis=-1)[:, positive] > 0
        return np.where(occurs, of_class(counts)[:, positive], np.nan)

    return metric


def _mean_over_present(of_class: Callable[[Values], Values]) -> Callable[[LabelledPredictions, Weights | None], Values]:
    """The mean over the classes that occur, among the true labels or the predicted ones."""

    def metric(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
        counts = labelled.confusion(weights)
        return _mean(of_class(counts), counts.sum(axis=-1) + counts.sum(axis=-2) > 0)

    return metric


def _mean_by_size(of_class: Callable[[Values], Values]) -> Callable[[LabelledPredictions, Weights | None], Values]:
    """The mean over classes, each weighted by its number of rows."""

    def metric(labelled: LabelledPredictions, weights: Weights | None = None) -> Values:
        counts = labelled.confusion(weights)
        return _mean(of_class(counts), counts.sum(axis=-1))

    return metric


def _hits(counts: Values) -> Values:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _mean(values: Values, weights: NDArray[np.float64] | NDArray[np.bool_]) -> Values:
    return share((values * weights).sum(axis=-1), weights.sum(axis=-1, dtype=np.float64))


precision = _for_positive(class_precision)
recall = _for_positive(class_recall)
f1 = _for_positive(class_f1)
precision_macro = _mean_over_present(class_precision)
recall_macro = _mean_over_present(class_recall)
f1_macro = _mean_over_present(class_f1)
precision_weighted = _mean_by_size(class_precision)
recall_weighted = _mean_by_size(class_recall)
f1_weighted = _mean_by_size(class_f1)
