"""What a date says to a model: its year, month and weekday, and the days since the last date of training."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from tiltyard.data.conform.dates import read_moments

PARTS = ("year", "month", "weekday", "days")
"""What is made of each date, in this order; Monday is weekday 0."""

DAY = 86_400_000_000.0
"""Microseconds of a day."""


class DateFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers made of dates: for each column the `PARTS`, NaN where there is no date.

    Attributes:
        last_: the last date of each column in training, microseconds since 1970; NaN where there was none.
    """

    last_: NDArray[np.float64]

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's names
        """Find the last date of each column of n rows of dates."""
        micros = _count_micros(X)
        known = np.where(np.isnan(micros), -np.inf, micros).max(axis=0, initial=-np.inf)
        self.last_ = np.where(np.isinf(known), np.nan, known)
        self.feature_names_in_ = np.asarray([str(name) for name in X.columns], dtype=object)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """The parts of k columns of dates, float64 (n, 4 k)."""
        micros = _count_micros(X)
        made = np.empty((len(micros), len(PARTS) * micros.shape[1]))
        for place, last in enumerate(self.last_):
            moments = pd.DatetimeIndex(_to_moments(X.iloc[:, place]))
            days = (micros[:, place] - last) / DAY
            made[:, place * len(PARTS) : (place + 1) * len(PARTS)] = np.column_stack(
                [moments.year, moments.month, moments.day_of_week, days]
            )
        made[np.repeat(np.isnan(micros), len(PARTS), axis=1)] = np.nan
        return made

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """``COLUMN_year`` and so on, 4 k names."""
        names = self.feature_names_in_ if input_features is None else input_features
        return np.asarray([f"{name}_{part}" for name in names for part in PARTS], dtype=object)


def _to_moments(column: pd.Series) -> NDArray[np.datetime64]:
    # A stored model that is called by itself takes ISO 8601: to guess another order would misread it in silence.
    moments, wrong = read_moments(column)
    if wrong.any():
        raise ValueError(
            f"Column '{column.name}' holds {column[wrong].iloc[0]!r}, which cannot be read as a date in ISO 8601."
        )
    return moments


def _count_micros(frame: pd.DataFrame) -> NDArray[np.float64]:
    columns = [_to_moments(frame.iloc[:, place]) for place in range(frame.shape[1])]
    if not columns:
        return np.empty((len(frame), 0))
    counted = [np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64)) for moments in columns]
    return np.column_stack(counted)
