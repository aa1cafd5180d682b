"""Gaps in numbers, for boosters that learn what a gap means."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin


class UnlearnedGapFiller(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Leaves gaps to the booster in columns that had gaps in training; elsewhere a gap becomes the median.

    Where training had no gap a booster has nothing to go by: to LightGBM and CatBoost it is one of the smallest values,
    to XGBoost one of the largest.

    Attributes:
        fill_: float64 (columns,), the median; NaN where gaps stay.
    """

    fill_: NDArray[np.float64]

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's names
        """Find the columns without gaps among n rows of numbers, and their medians."""
        numbers = _read_numbers(X)
        gaps = np.isnan(numbers).any(axis=0)
        self.fill_ = np.full(numbers.shape[1], np.nan)
        self.fill_[~gaps] = np.median(numbers[:, ~gaps], axis=0) if len(numbers) else np.nan
        self.n_features_in_ = numbers.shape[1]
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray([str(name) for name in X.columns], dtype=object)
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """The same rows, float64; columns as they were."""
        numbers = _read_numbers(X)
        return np.where(np.isnan(numbers), self.fill_, numbers)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """The names of the columns."""
        names = self.feature_names_in_ if input_features is None else input_features
        return np.asarray(names, dtype=object)


def _read_numbers(X: Any) -> NDArray[np.float64]:
    if hasattr(X, "to_numpy"):
        return X.to_numpy(dtype=np.float64, na_value=np.nan)  # type: ignore[no-any-return]
    return np.asarray(X, dtype=np.float64)
