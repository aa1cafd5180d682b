"""Importance of the columns of a table, by shuffling them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.evaluation.importance.feature_weights import REPEATS, FeatureWeight, Importance
from tiltyard.evaluation.labelled_predictions import (
    EvaluatedRows,
    NumberPredictions,
    label_predictions,
)
from tiltyard.evaluation.metrics import Metric

Predict = Callable[[pd.DataFrame], NDArray[np.float64]]

MOST_ROWS = 2_000
# Rows that are predicted for the permutation importance, all columns and repeats together: about a second of work.
MOST_PREDICTED = 60_000


def permutation_importance(
    predict: Predict,
    inputs: pd.DataFrame,
    labelled: EvaluatedRows,
    metric: Metric,
    *,
    seed: int = 0,
    most_predicted: int = MOST_PREDICTED,
) -> Importance | None:
    """By how much a metric gets worse when one column is shuffled (Breiman, 2001; Fisher, Rudin and Dominici, 2019).

    The mean over 3 shuffles of at most 2,000 rows, of fewer where there are more than ten columns, so that the time is
    bounded; chosen and shuffled by the seed. Rows whose cell is the same after the shuffle are not predicted again.
    Columns that say the same stand in for each other: each may then look unimportant.

    Args:
        predict: from rows to probabilities, (n, k), or to n numbers; a row's prediction must not depend on other rows.
        inputs: n rows.
        labelled: the predictions for these rows; their classes are the k labels.
        metric: the metric that gets worse.
        seed: of the choice and the shuffles.
        most_predicted: rows that are predicted at most, all columns and shuffles together.

    Returns:
        The importance of every column, greatest first; None where the metric is not defined on the chosen rows.
    """
    random = np.random.default_rng(seed)
    rows = min(len(inputs), MOST_ROWS, max(1, most_predicted // (REPEATS * max(1, inputs.shape[1]))))
    chosen = np.sort(random.choice(len(inputs), rows, replace=False))
    inputs, labelled = inputs.iloc[chosen].reset_index(drop=True), labelled.take(chosen)
    known = labelled.predicted if isinstance(labelled, NumberPredictions) else labelled.probabilities
    if known is None or metric.explain_undefined(labelled):
        return None
    sign = 1.0 if metric.bigger_is_better else -1.0
    whole = metric.compute(labelled)
    found = []
    for position in range(inputs.shape[1]):
        order = np.stack([random.permutation(rows) for _ in range(REPEATS)])
        shuffled = _predict_shuffled(predict, inputs, position, order, np.asarray(known, dtype=np.float64))
        losses = [sign * (whole - metric.compute(_relabel(labelled, probabilities))) for probabilities in shuffled]
        found.append(FeatureWeight(str(inputs.columns[position]), float(np.mean(losses)), float(np.std(losses))))
    found.sort(key=lambda feature: (-feature.value, feature.name))
    return Importance("permutation", f"loss of {metric.title.lower()}", rows, tuple(found))


def _predict_shuffled(
    predict: Predict,
    inputs: pd.DataFrame,
    position: int,
    order: NDArray[np.intp],
    known: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Probabilities, (repeats, n, k), or numbers, (repeats, n), with one column in another order.

    All changed rows are predicted at once.
    """
    column = inputs.iloc[:, position]
    codes = pd.factorize(column)[0]
    changed = codes[order] != codes
    shuffled = np.repeat(known[None], len(order), axis=0)
    if changed.any():
        repeat, row = np.nonzero(changed)
        changed_rows = inputs.take(row).reset_index(drop=True)
        changed_rows.isetitem(position, column.take(order[repeat, row]).array)
        shuffled[repeat, row] = predict(changed_rows)
    return shuffled


def _relabel(labelled: EvaluatedRows, probabilities: NDArray[np.float64]) -> EvaluatedRows:
    if isinstance(labelled, NumberPredictions):
        return replace(labelled, predicted=probabilities)
    predicted = labelled.decide(probabilities)
    return label_predictions(
        labelled.labels,
        predicted,
        probabilities,
        labelled.classes,
        labelled.positive,
        rule=labelled.rule,
        prices=labelled.prices,
        target=labelled.target,
    )
