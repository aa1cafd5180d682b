"""Metrics of the project file as scikit-learn's scorers, bigger being better for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
    roc_auc_score,
)

from tiltyard.errors import UsageError
from tiltyard.suggest import nearest

# Truth (n labels), probabilities (n, k) and the k labels in the order of their columns, to a score.
Judge = Callable[[NDArray[Any], NDArray[np.float64], NDArray[Any]], float]

_BINS = 15


def scorer_of(metric: str, labels: Sequence[str], positive: str | None = None) -> Judge:
    """What scores answers by a metric; metrics where less is better are given with the sign turned.

    Args:
        metric: metric name of the project file.
        labels: all labels of the data.
        positive: the label that counts as positive where there are two; default: the last in sorted order.

    Raises:
        UsageError: no such metric.
    """
    by_label, by_chance = _LABEL_METRICS.get(metric), _PROBABILITY_METRICS.get(metric)
    binary = len(labels) == 2
    target = positive if positive is not None and positive in labels else sorted(labels)[-1]
    if by_label is not None:
        score, averaging = by_label
        options = _averaging(averaging, binary, target)
        return lambda truth, chances, classes: float(score(truth, classes[chances.argmax(axis=1)], **options))
    if by_chance is not None:
        return lambda truth, chances, classes: by_chance(truth, chances, classes, target if binary else None)
    known = METRICS
    raise UsageError(
        f"Candidates cannot be chosen by the metric '{metric}'.{nearest(metric, known)}",
        next_step=f"Set training.metric to one of: {', '.join(known)}.",
        code="metric.unknown",
    )


def _averaging(averaging: str | None, binary: bool, target: str) -> dict[str, Any]:
    if averaging is None:
        return {}
    if averaging == "positive" and binary:
        return {"average": "binary", "pos_label": target, "zero_division": 0}
    return {"average": "macro" if averaging == "positive" else averaging, "zero_division": 0}


def _mean_over_classes(
    score: Callable[..., float],
) -> Callable[[NDArray[Any], NDArray[np.float64], NDArray[Any], str | None], float]:
    """Of the positive class where there is one, else the mean over the classes that occur and do not fill all rows."""

    def judge(truth: NDArray[Any], chances: NDArray[np.float64], classes: NDArray[Any], target: str | None) -> float:
        asked = [
            place for place, label in enumerate(classes) if target in (None, label) and 0 < (truth == label).mean() < 1
        ]
        return float(np.mean([score(truth == classes[place], chances[:, place]) for place in asked]))

    return judge


def _log_loss(truth: NDArray[Any], chances: NDArray[np.float64], classes: NDArray[Any], _target: str | None) -> float:
    given = (chances * (truth[:, None] == classes)).sum(axis=1)
    epsilon = np.finfo(np.float64).eps
    return float(np.log(np.clip(given, epsilon, 1 - epsilon)).mean())


def _brier(truth: NDArray[Any], chances: NDArray[np.float64], classes: NDArray[Any], target: str | None) -> float:
    distance = float(((chances - (truth[:, None] == classes)) ** 2).sum(axis=1).mean())
    return -distance / (1 if target is None else 2)


def _calibration(
    truth: NDArray[Any], chances: NDArray[np.float64], classes: NDArray[Any], _target: str | None
) -> float:
    confidence = chances.max(axis=1)
    gap = confidence - (classes[chances.argmax(axis=1)] == truth)
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return -float(np.abs(np.bincount(bins, gap, minlength=_BINS)).sum() / len(truth))


_LABEL_METRICS: dict[str, tuple[Callable[..., float], str | None]] = {
    "accuracy": (accuracy_score, None),
    "balanced_accuracy": (balanced_accuracy_score, None),
    "precision": (precision_score, "positive"),
    "recall": (recall_score, "positive"),
    "f1": (f1_score, "positive"),
    "precision_macro": (precision_score, "macro"),
    "recall_macro": (recall_score, "macro"),
    "f1_macro": (f1_score, "macro"),
    "precision_weighted": (precision_score, "weighted"),
    "recall_weighted": (recall_score, "weighted"),
    "f1_weighted": (f1_score, "weighted"),
    "matthews": (matthews_corrcoef, None),
}
_PROBABILITY_METRICS = {
    "roc_auc": _mean_over_classes(roc_auc_score),
    "pr_auc": _mean_over_classes(average_precision_score),
    "log_loss": _log_loss,
    "brier": _brier,
    "calibration_error": _calibration,
}

METRICS = (*_LABEL_METRICS, *_PROBABILITY_METRICS)
