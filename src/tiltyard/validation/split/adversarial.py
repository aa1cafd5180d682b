"""Whether a model can tell the sides of a split apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from tiltyard.validation.columns import Column, Mask, Table

_MOST_ROWS = 2000
_LEAST_ROWS = 50
_FEATURES = 20_000
_CATEGORIES = 200
_WORD_OR_MARK = r"(?u)\b\w+\b|\S"


def adversarial_auc(table: Table, judged: Mask, seed: int = 0) -> dict[str, Any]:
    """Cross-validated ROC AUC of a model that guesses a row's side from its inputs, with a 95% interval.

    At most 2,000 rows of each side are looked at. 0.5 means that the sides cannot be told apart. The standard
    error is Hanley and McNeil's (Radiology 143, 1982).
    """
    generator = np.random.default_rng(seed)
    sides = [np.flatnonzero(mask) for mask in (~judged, judged)]
    if min(map(len, sides)) < _LEAST_ROWS:
        return {"judged": False, "why": f"fewer than {_LEAST_ROWS} rows on a side"}
    chosen = np.concatenate([generator.permutation(side)[:_MOST_ROWS] for side in sides])
    target = judged[chosen].astype(int)
    columns = [column for column in table.features if not column.identifier and column.kind != "time"]
    texts = [column for column in columns if column.kind == "text"]
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    scores = np.zeros(len(chosen))
    for column in texts:
        words = ["" if code < 0 else str(column.distinct[code]) for code in column.codes[chosen]]
        # The lone full stop keeps the vocabulary from being empty.
        vectoriser = TfidfVectorizer(max_features=_FEATURES, token_pattern=_WORD_OR_MARK)
        matrix = vectoriser.fit_transform([*words, "."])
        model = LogisticRegression(max_iter=200)
        scores += cross_val_predict(model, matrix[:-1], target, cv=folds, method="predict_proba")[:, 1]
    others = [_numbers(column)[chosen] for column in columns if column.kind != "text"]
    if others:
        model = HistGradientBoostingClassifier(max_iter=30, random_state=seed)
        with threadpool_limits(1):  # on so few rows several threads mostly wait for each other
            scores += cross_val_predict(model, np.column_stack(others), target, cv=folds, method="predict_proba")[:, 1]
    return {"judged": bool(columns), "rows": len(chosen), **_area(target, scores)}


def _numbers(column: Column) -> Any:
    if column.numeric:
        return np.where(np.isfinite(column.numbers), column.numbers, np.nan)
    rank = np.empty(len(column.distinct) + 1)
    rank[np.argsort(-column.counts, kind="stable")] = np.arange(len(column.distinct))
    rank[-1] = np.nan
    return np.minimum(rank, _CATEGORIES)[column.codes]


def _area(target: Any, scores: Any) -> dict[str, Any]:
    area = float(roc_auc_score(target, scores))
    positive, negative = int(target.sum()), int((1 - target).sum())
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (positive - 1) * (first - area**2) + (negative - 1) * (second - area**2)
    error = float(np.sqrt(max(0.0, variance) / (positive * negative)))
    return {"auc": area, "interval": [area - 1.96 * error, min(1.0, area + 1.96 * error)]}
