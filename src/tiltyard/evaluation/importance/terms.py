"""Importance of the terms of texts, by the weights of a linear model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.labels import order_classes
from tiltyard.evaluation.importance.feature_weights import FeatureWeight, Importance

MOST_ROWS = 2_000

# Terms that are kept for each label.
MOST_TERMS = 50


def term_importance(pipeline: Any, texts: pd.Series, *, seed: int = 0) -> Importance | None:
    """The terms that speak most for each label, of a linear model over terms.

    A term counts as the weight that the model gives it times the standard deviation of its column over the texts: by
    how much it typically moves the score. A plain weight would favour terms that hardly ever occur. For naive Bayes
    the weight is the log-probability less its mean over the other labels.

    Args:
        pipeline: a fitted pipeline whose last step is linear and whose other steps name their columns.
        texts: n texts, of which at most 2,000 are read.
        seed: of the choice of texts.

    Returns:
        For each label the terms with the greatest importance above 0, at most 50; of a pool with a convolution those
        of its linear part, as ``unit`` then says; None for other models.
    """
    linear_part = getattr(pipeline[-1], "linear_", None)
    if linear_part is not None:
        part = term_importance(linear_part, texts, seed=seed)
        return part and replace(part, unit=f"{part.unit}, in the linear part")
    weights = _linear_weights(pipeline[-1]) if len(pipeline.steps) > 1 else None
    if weights is None or not all(hasattr(step, "get_feature_names_out") for _, step in pipeline.steps[:-1]):
        return None
    rows = min(len(texts), MOST_ROWS)
    chosen = np.sort(np.random.default_rng(seed).choice(len(texts), rows, replace=False))
    effects = weights * _deviations(pipeline[:-1].transform(texts.iloc[chosen]))
    best = np.argsort(-effects, axis=1, kind="stable")[:, :MOST_TERMS]
    names = _read_term_names(pipeline, np.unique(best))
    classes = [str(label) for label in pipeline.classes_]
    places = {label: place for place, label in enumerate(classes)}
    features = [
        FeatureWeight(names[term], float(row[term]), label=label)
        for label in order_classes(classes)
        for row, terms in ((effects[places[label]], best[places[label]]),)
        for term in terms.tolist()
        if row[term] > 0
    ]
    return Importance("terms", "weight × standard deviation", rows, tuple(features))


def _linear_weights(classifier: Any) -> NDArray[np.float64] | None:
    """Weights of a linear classifier, (labels, columns), greater where a column speaks for the label."""
    calibrated = getattr(classifier, "calibrated_classifiers_", None)
    if calibrated:
        parts = [_linear_weights(part.estimator) for part in calibrated]
        known = [part for part in parts if part is not None]
        return np.mean(known, axis=0) if known else None
    if hasattr(classifier, "feature_log_prob_"):
        logs = np.asarray(classifier.feature_log_prob_)
        others = (logs.sum(axis=0) - logs) / max(1, len(logs) - 1)
        return np.asarray(logs - others)
    if not hasattr(classifier, "coef_"):
        return None
    weights = np.atleast_2d(np.asarray(classifier.coef_))
    return np.vstack([-weights, weights]) if len(weights) == 1 else weights


def _read_term_names(pipeline: Any, columns: NDArray[np.intp]) -> dict[int, str]:
    """The terms of these columns, by column."""
    reader = pipeline[0]
    if len(pipeline.steps) == 2 and hasattr(reader, "terms_of"):
        # Our own vectoriser need not put all its terms together for these few.
        return dict(zip(columns.tolist(), reader.terms_of(columns), strict=True))
    names = pipeline[:-1].get_feature_names_out()
    return {column: str(names[column]) for column in columns.tolist()}


def _deviations(matrix: Any) -> NDArray[np.float64]:
    """Standard deviation of each column, of a sparse or dense matrix."""
    means = np.asarray(matrix.mean(axis=0)).ravel()
    squares = matrix.multiply(matrix) if hasattr(matrix, "multiply") else np.square(matrix)
    return np.asarray(np.sqrt(np.maximum(0.0, np.asarray(squares.mean(axis=0)).ravel() - means**2)))
