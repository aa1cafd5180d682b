"""Figures of counts."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation import NUMBER_METRICS, Metric, NumberPredictions
from tiltyard.targets.numbers.evaluation import NumberFigures


def poisson_deviance(rows: NumberPredictions, weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """The mean Poisson deviance; shape (m,), NaN where a prediction is not above 0."""
    if (rows.predicted <= 0).any():
        return np.full(1 if weights is None else len(weights), np.nan)
    true, said = rows.truth, rows.predicted
    each = 2 * (np.where(true > 0, true * np.log(np.maximum(true, 1e-300) / said), 0.0) - true + said)
    return np.atleast_1d(np.average(each) if weights is None else weights @ each / weights.sum(axis=1))


class CountFigures(NumberFigures):
    predicted = "counts"
    shown = ("poisson_deviance", "mae")
    metrics = MappingProxyType(
        {
            **NUMBER_METRICS,
            "poisson_deviance": Metric("poisson_deviance", "Poisson deviance", False, False, poisson_deviance, "count"),
        }
    )


PART = CountFigures()
