"""Linear classifiers of n-grams weighted by naive Bayes (Wang and Manning, 2012)."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tiltyard.models.linear import (
    Floats,
    LinearOneVsRest,
    Weights,
    fit_calibrated,
    fit_logistic,
    fit_svm,
    scale_weights,
    take_row_weights,
)


def log_count_ratios(
    features: sp.csr_matrix, positive: NDArray[np.bool_], alpha: float, rows_weights: Floats | None = None
) -> Floats:
    """How much more a column is used by the positive rows than by the others.

    ``log((p / |p|) / (q / |q|))`` with ``p`` and ``q`` the sums of the positive and of the other rows plus ``alpha``.

    Args:
        features: shape (n, columns), not negative.
        positive: n booleans.
        alpha: smoothing, above 0.
        rows_weights: n weights; a row of weight 2 is summed twice. Default: all count alike.

    Returns:
        Shape (columns,).
    """
    p = alpha + _sum_columns(features[positive], take_row_weights(rows_weights, positive))
    q = alpha + _sum_columns(features[~positive], take_row_weights(rows_weights, ~positive))
    return np.asarray(np.log(p / p.sum()) - np.log(q / q.sum()))


def _sum_columns(features: sp.csr_matrix, rows_weights: Floats | None) -> Floats:
    counts = np.ones(features.shape[0]) if rows_weights is None else rows_weights
    sums: Floats = np.asarray(features.T @ counts)
    return sums


class _NaiveBayesOneVsRest(LinearOneVsRest):
    """A linear model on features weighted by log-count ratios, which negative features do not have."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


class NaiveBayesSVM(_NaiveBayesOneVsRest):
    """NB-SVM: a linear SVM on presence times log-count ratio, drawn towards naive Bayes, with calibrated scores.

    The weights ``w`` of the SVM become ``(1 - beta) * mean(|w|) + beta * w`` (Wang and Manning, 2012, section 2.3).

    Args:
        C: weight of the rows' losses in the SVM.
        alpha: smoothing of the log-count ratios.
        beta: 0 is naive Bayes, 1 is the SVM alone.
        folds: folds for the held-out scores for the sigmoid.
        random_state: seed of the solver and the folds.
    """

    def __init__(
        self,
        C: float = 0.01,
        *,
        alpha: float = 1.0,
        beta: float = 0.5,
        folds: int = 3,
        random_state: int | None = None,
    ) -> None:
        self.C = C
        self.alpha = alpha
        self.beta = beta
        self.folds = folds
        self.random_state = random_state

    def _fit_class(self, features: sp.csr_matrix, positive: NDArray[np.bool_], rows_weights: Floats | None) -> Weights:
        def fit(rows: NDArray[np.intp]) -> Weights:
            part, truth, counts = features[rows], positive[rows], take_row_weights(rows_weights, rows)
            ratios = log_count_ratios(part, truth, self.alpha, counts)
            weights, intercept = fit_svm(scale_weights(part, ratios), truth, self.C, self.random_state, counts)
            drawn = (1 - self.beta) * np.abs(weights).mean() + self.beta * weights
            return drawn * ratios, intercept

        return fit_calibrated(fit, features, positive, rows_weights, folds=self.folds, random_state=self.random_state)


class NaiveBayesLogistic(_NaiveBayesOneVsRest):
    """Logistic regression on features that are multiplied by their log-count ratio.

    The ratios are those of presence, whatever the features' own weights.

    Args:
        C: weight of the rows' losses against the size of the weights.
        alpha: smoothing of the log-count ratios.
        random_state: seed of the solver.
    """

    def __init__(self, C: float = 20.0, *, alpha: float = 1.0, random_state: int | None = None) -> None:
        self.C = C
        self.alpha = alpha
        self.random_state = random_state

    def _fit_class(self, features: sp.csr_matrix, positive: NDArray[np.bool_], rows_weights: Floats | None) -> Weights:
        presence = sp.csr_matrix((np.ones_like(features.data), features.indices, features.indptr), features.shape)
        ratios = log_count_ratios(presence, positive, self.alpha, rows_weights)
        weights, intercept = fit_logistic(
            scale_weights(features, ratios), positive, self.C, self.random_state, rows_weights
        )
        return weights * ratios, intercept
