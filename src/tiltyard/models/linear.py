"""Linear classifiers of sparse counts with one sigmoid a class; naive Bayes weights and calibration are folded in."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from tiltyard.models.calibration import fit_platt

Floats = NDArray[np.float64]
Weights = tuple[Floats, float]

# Passes over the rows, and the gradient at which to stop. More of either takes several times as long, on reviews of
# films, and changes no figure of accuracy.
_PASSES = 100
_TOLERANCE = 0.01


class LinearOneVsRest(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A linear model for each class against the rest; a single one where there are two classes.

    What a subclass does to features, weights and scores ends up in ``coef_`` and ``intercept_``: prediction is one
    product and a sigmoid, which is exact for a compiled scorer too.

    Attributes:
        classes_: the k labels, sorted.
        coef_: shape (k, columns), or (1, columns) for two classes.
        intercept_: shape (k,), or (1,).
    """

    classes_: NDArray[Any]
    coef_: Floats
    intercept_: Floats
    n_features_in_: int

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to n rows.

        Args:
            X: sparse or dense, shape (n, columns), not negative where naive Bayes weights are used.
            y: n labels of two kinds or more.
            sample_weight: n numbers, 0 or more: how many rows each row counts for; default: 1 each. A row of weight 0
                is as if it were not there.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        check_classification_targets(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
            counted = sample_weight > 0
            if not counted.all():
                X, y, sample_weight = X[counted], y[counted], sample_weight[counted]
            if not len(y):
                raise ValueError("All sample weights are 0: there is nothing to learn from.")
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(f"At least two labels are needed; there is one: '{self.classes_[0]}'.")
        features = sp.csr_matrix(X)
        positives = self.classes_[1:] if len(self.classes_) == 2 else self.classes_
        fitted = [self._fit_class(features, y == label, sample_weight) for label in positives]
        self.coef_ = np.vstack([weights for weights, _ in fitted])
        self.intercept_ = np.array([intercept for _, intercept in fitted])
        return self

    def decision_function(self, X: Any) -> Floats:
        """Log-odds of each class against the rest: shape (n, k), or (n,) of the second class where there are two."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        scores: Floats = np.asarray(X @ self.coef_.T) + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities, shape (n, k), in the order of ``classes_``.

        With more than two classes the sigmoids are divided by their sum.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            probability = expit(scores)
            return np.column_stack([1 - probability, probability])
        # Sigmoids that all vanish keep their ratios in logarithms.
        logs = -np.logaddexp(0, -scores)
        probabilities: Floats = np.exp(logs - logs.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable label of each row, the first of them on a tie."""
        labels: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @abstractmethod
    def _fit_class(self, features: sp.csr_matrix, positive: NDArray[np.bool_], rows_weights: Floats | None) -> Weights:
        """Weights and intercept whose sigmoid is the probability of ``positive``."""


class CalibratedLinearSVM(LinearOneVsRest):
    """A linear support vector machine (squared hinge) whose scores Platt's sigmoid turns into probabilities.

    Args:
        C: weight of the rows' losses against the size of the weights.
        folds: folds for the held-out scores for the sigmoid.
        random_state: seed of the solver and the folds.
    """

    def __init__(self, C: float = 0.5, *, folds: int = 3, random_state: int | None = None) -> None:
        self.C = C
        self.folds = folds
        self.random_state = random_state

    def _fit_class(self, features: sp.csr_matrix, positive: NDArray[np.bool_], rows_weights: Floats | None) -> Weights:
        def fit(rows: NDArray[np.intp]) -> Weights:
            counts = take_row_weights(rows_weights, rows)
            return fit_svm(features[rows], positive[rows], self.C, self.random_state, counts)

        return fit_calibrated(fit, features, positive, rows_weights, folds=self.folds, random_state=self.random_state)


def fit_svm(
    features: Any, positive: NDArray[np.bool_], C: float, random_state: int | None, rows_weights: Floats | None = None
) -> Weights:
    """Weights and intercept of a linear support vector machine (LIBLINEAR, dual)."""
    machine = LinearSVC(C=C, dual=True, random_state=random_state, max_iter=_PASSES)
    with warnings.catch_warnings():
        # Rows that can be parted without error let the solver refine for minutes what no prediction depends on.
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine.fit(features, positive, sample_weight=rows_weights)
    return machine.coef_[0], float(machine.intercept_[0])


def fit_logistic(
    features: Any, positive: NDArray[np.bool_], C: float, random_state: int | None, rows_weights: Floats | None = None
) -> Weights:
    """Weights and intercept of a logistic regression (LIBLINEAR, dual: quick on more columns than rows)."""
    regression = LogisticRegression(
        C=C, solver="liblinear", dual=True, tol=_TOLERANCE, random_state=random_state, max_iter=_PASSES
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(features, positive, sample_weight=rows_weights)
    return regression.coef_[0], float(regression.intercept_[0])


def take_row_weights(rows_weights: Floats | None, rows: Any) -> Floats | None:
    """The weights of some of the rows; None where all rows count alike."""
    return None if rows_weights is None else rows_weights[rows]


def scale_weights(features: sp.csr_matrix, factors: Floats) -> sp.csr_matrix:
    """The features with each column multiplied by its factor; shape as before."""
    return sp.csr_matrix((features.data * factors[features.indices], features.indices, features.indptr), features.shape)


def fit_calibrated(
    fit: Any,
    features: sp.csr_matrix,
    positive: NDArray[np.bool_],
    rows_weights: Floats | None = None,
    *,
    folds: int,
    random_state: int | None,
) -> Weights:
    """Weights and intercept with Platt's sigmoid folded in.

    Args:
        fit: from row numbers to weights and intercept.
        features: shape (n, columns).
        positive: n booleans; with fewer of a kind than folds, fewer folds are made, and with one of a kind the
            sigmoid is fitted to the scores of the training rows themselves.
        rows_weights: n weights of the rows in the sigmoid; default: all count alike.
        folds: wanted number of folds.
        random_state: seed of the folds.
    """
    weights, intercept = fit(np.arange(len(positive)))
    possible = min(folds, int(positive.sum()), int((~positive).sum()))
    scores = np.asarray(features @ weights) + intercept
    if possible >= 2:
        parts = StratifiedKFold(possible, shuffle=True, random_state=random_state)
        for rows, held_out in parts.split(scores, positive):
            part_weights, part_intercept = fit(rows)
            scores[held_out] = np.asarray(features[held_out] @ part_weights) + part_intercept
    slope, offset = fit_platt(scores, positive, rows_weights)
    return slope * weights, slope * intercept + offset
