"""Probabilities for classifiers that only give scores: Platt's sigmoid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline

_STEPS = 100
_SMALLEST_STEP = 1e-10


def fit_platt(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], rows_weights: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Slope and offset with which ``expit(slope * score + offset)`` is a probability.

    Maximum likelihood with Platt's smoothed targets (Platt, 1999), by Newton steps with backtracking (Lin, Lin and
    Weng, 2007).

    Args:
        scores: n scores, greater for the positive class, of rows that the scoring model was not fitted on.
        positive: n booleans.
        rows_weights: n weights; a row of weight 2 counts as two. Default: all count alike.
    """
    counts = np.ones(len(positive)) if rows_weights is None else rows_weights
    hits, misses = float(counts[positive].sum()), float(counts[~positive].sum())
    targets = np.where(positive, (hits + 1) / (hits + 2), 1 / (misses + 2))
    scale = float(np.std(scores)) or 1.0
    design = np.column_stack([scores / scale, np.ones(len(scores))])
    parameters = np.array([0.0, np.log((hits + 1) / (misses + 1))])
    loss = _loss(design @ parameters, targets, counts)
    for _ in range(_STEPS):
        probabilities = expit(design @ parameters)
        gradient = design.T @ (counts * (probabilities - targets))
        curvature = (design * (counts * probabilities * (1 - probabilities))[:, None]).T @ design + 1e-12 * np.eye(2)
        direction = np.linalg.solve(curvature, gradient)
        stride = 1.0
        while stride > _SMALLEST_STEP and _loss(design @ (parameters - stride * direction), targets, counts) > loss:
            stride /= 2
        parameters = parameters - stride * direction
        before, loss = loss, _loss(design @ parameters, targets, counts)
        if before - loss < 1e-9 * (1 + abs(loss)):
            break
    return float(parameters[0] / scale), float(parameters[1])


def ensure_probabilities(estimator: Any) -> Any:
    """The estimator itself where it predicts probabilities; else calibrated by Platt's sigmoid on held-out scores.

    Of a pipeline only the last step is calibrated, so that what comes before is fitted once.

    Args:
        estimator: unfitted, with ``predict_proba`` or ``decision_function``.
    """
    if hasattr(estimator, "predict_proba"):
        return estimator
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        return Pipeline([*estimator.steps[:-1], (name, _wrap_sigmoid(last))])
    return _wrap_sigmoid(estimator)


def _wrap_sigmoid(classifier: Any) -> CalibratedClassifierCV:
    return CalibratedClassifierCV(classifier, method="sigmoid", ensemble=False)


def _loss(logits: NDArray[np.float64], targets: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    return -float(np.sum(counts * (targets * log_expit(logits) + (1 - targets) * log_expit(-logits))))
