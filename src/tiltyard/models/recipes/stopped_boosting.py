"""Histogram gradient boosting with as many rounds as are best on held-out training rows, on the mean of folds.

scikit-learn's own early stopping gives a part of the rows up for good. Here each fold tells when its held-out rows
gained nothing more, and the model itself is then fitted to all rows, as of the other boosters (see
``boosters.early_stopping``).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.utils import _safe_indexing

from tiltyard.models.boosters.early_stopping import USUAL_ROUNDS, assign_folds

FOLDS = 3
MANY_ROWS, SHARE_OF_MANY = 20_000, 10
"""From so many rows on one held-out part is enough to tell: one of so many."""
PATIENCE = 20
"""A fold ends after so many rounds without gain."""


class _StoppedByFolds:
    """A boosting whose ``max_iter`` is the most rounds that it may have.

    Fitted, it is scikit-learn's own class, with the rounds that were found: what is stored, compiled and exported knows
    nothing of this module.
    """

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to all rows, as scikit-learn does, after the rounds were found.

        Args:
            X: (n, features).
            y: n labels, or n numbers.
            sample_weight: n weights of the rows.
        """
        of_sklearn: Any = type(self).__mro__[2]
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        ours: Any = self
        ours.max_iter = self._choose_rounds(of_sklearn, X, np.asarray(y), weights)
        ours.early_stopping = False
        of_sklearn.fit(self, X, y, sample_weight)
        self.__class__ = of_sklearn
        return self

    def _choose_rounds(self, of_sklearn: Any, X: Any, y: NDArray[Any], weights: NDArray[np.float64] | None) -> int:
        ours: Any = self
        params = {**ours.get_params(), "early_stopping": True, "n_iter_no_change": PATIENCE, "tol": 0.0}
        is_many = len(y) >= MANY_ROWS
        counted = hasattr(of_sklearn, "predict_proba")
        codes = np.unique(y, return_inverse=True)[1].astype(np.float64) if counted else y
        classes = int(codes.max()) + 1 if counted else 0
        folds = assign_folds(codes, SHARE_OF_MANY if is_many else FOLDS, ours.random_state or 0, classes=classes)
        if folds is None:
            return min(USUAL_ROUNDS, int(ours.max_iter))
        best = []
        for fold in range(1 if is_many else int(folds.max()) + 1):
            train, held_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            if counted:  # a model of the others cannot be measured on a label that they lack
                held_out = held_out[np.isin(codes[held_out], codes[train])]
            model = of_sklearn(**params).fit(
                _safe_indexing(X, train),
                y[train],
                None if weights is None else weights[train],
                X_val=_safe_indexing(X, held_out),
                y_val=y[held_out],
                sample_weight_val=None if weights is None else weights[held_out],
            )
            best.append(int(np.argmax(model.validation_score_)))  # the first score is that of no round
        return max(1, round(float(np.mean(best))))


class StoppedBoostingClassifier(_StoppedByFolds, HistGradientBoostingClassifier):  # type: ignore[misc]
    """Histogram gradient boosting of labels that finds its number of rounds; see ``_StoppedByFolds``."""


class StoppedBoostingRegressor(_StoppedByFolds, HistGradientBoostingRegressor):  # type: ignore[misc]
    """Histogram gradient boosting of numbers that finds its number of rounds; see ``_StoppedByFolds``."""
