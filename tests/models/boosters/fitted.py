"""Boosters of the three libraries, fitted to small tables with gaps and categories, and what they wrote."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.models.boosters.tree_ensemble import Library

Floats = NDArray[np.float64]
CATEGORIES = 7
WORD = 4  # the place of the categorical feature
ROUNDS = 8

OBJECTIVES: dict[Library, list[str]] = {
    "lightgbm": [
        *("binary", "multiclass", "multiclassova", "regression", "poisson", "cross_entropy", "cross_entropy_lambda"),
        "huber",
    ],
    "xgboost": ["binary:logistic", "multi:softprob", "reg:squarederror", "count:poisson", "reg:absoluteerror"],
    "catboost": ["Logloss", "MultiClass", "MultiClassOneVsAll", "RMSE", "Poisson"],
}
SETTINGS: dict[Library, list[dict[str, Any]]] = {
    "lightgbm": [
        {"max_cat_to_onehot": 1, "min_data_per_group": 5, "cat_smooth": 1},
        {"zero_as_missing": True},
        {"use_missing": False},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
        {"boosting": "dart"},
    ],
    "xgboost": [{}, {"max_cat_to_onehot": 2}, {"num_parallel_tree": 3, "subsample": 0.7}, {"gamma": 3.0}],
    "catboost": [{}, {"grow_policy": "Depthwise"}, {"grow_policy": "Lossguide"}, {"nan_mode": "Max"}],
}


@dataclass(frozen=True)
class Fitted:
    """A booster and its document.

    Attributes:
        library, objective: what it is.
        document: its trees as text.
        booster: the library's own.
        rows: some of its training rows; the feature ``WORD`` is a category's number.
    """

    library: Library
    objective: str
    document: bytes
    booster: Any
    rows: Floats

    def predict(self, rows: Floats, *, raw: bool = False) -> Floats:
        """What the library says of rows, (n, outputs): the sums, or the predictions."""
        return _PREDICT[self.library](self, rows, raw).reshape(len(rows), -1)


def make_rows() -> Floats:
    """600 rows of four numbers, one of them with gaps and one with many zeros, and a category."""
    random = np.random.default_rng(4)
    rows = random.normal(size=(600, 5))
    rows[random.random(600) < 0.1, 1] = np.nan
    rows[random.random(600) < 0.3, 2] = 0.0
    rows[:, WORD] = random.integers(0, CATEGORIES, 600)
    return rows


@cache
def fit_booster(library: Library, objective: str, setting: int) -> Fitted:
    """A booster with one of the ``SETTINGS``; numbers are predicted of 1 and up."""
    rows = make_rows()
    noise = np.random.default_rng(5).normal(0, 0.5, len(rows))
    score = rows[:, 0] + np.nan_to_num(rows[:, 1]) + np.isin(rows[:, WORD], (0, 2, 5)) + noise
    labels = {True: np.digitize(score, [-0.5, 0.9]), False: (score > 0.4).astype(int)}
    several = objective in ("multiclass", "multiclassova", "multi:softprob", "MultiClass", "MultiClassOneVsAll")
    binary = objective in ("binary", "cross_entropy", "cross_entropy_lambda", "binary:logistic", "Logloss")
    target: Any = labels[several] if several or binary else np.abs(score) + 1
    made, document = FIT[library](objective, dict(SETTINGS[library][setting]), rows, target, 3 if several else 0)
    return Fitted(library, objective, document, made, rows)


def _fit_lightgbm(objective: str, settings: dict[str, Any], rows: Floats, target: Any, classes: int) -> Any:
    import lightgbm

    if classes:
        settings["num_class"] = classes
    data = lightgbm.Dataset(rows, target, categorical_feature=[WORD], params={"verbosity": -1})
    usual = {"objective": objective, "num_leaves": 12, "verbosity": -1, "num_threads": 1, "seed": 1}
    booster = lightgbm.train({**usual, **settings}, data, ROUNDS)
    return booster, booster.model_to_string().encode()


def _fit_xgboost(objective: str, settings: dict[str, Any], rows: Floats, target: Any, classes: int) -> Any:
    import xgboost

    if classes:
        settings["num_class"] = classes
    kinds = ["c" if place == WORD else "q" for place in range(rows.shape[1])]
    data = xgboost.DMatrix(rows, target, feature_types=kinds, enable_categorical=True)
    usual = {"objective": objective, "max_depth": 4, "nthread": 1, "tree_method": "hist", "verbosity": 0}
    booster = xgboost.train({**usual, **settings}, data, ROUNDS)
    return booster, bytes(booster.save_raw("json"))


def _fit_catboost(objective: str, settings: dict[str, Any], rows: Floats, target: Any, classes: int) -> Any:
    import catboost

    usual = {"loss_function": objective, "depth": 4, "iterations": ROUNDS, "one_hot_max_size": 20, "thread_count": 1}
    quiet = {"logging_level": "Silent", "allow_writing_files": False}
    booster = catboost.CatBoost({**usual, **quiet, **settings})
    pool = catboost.Pool(_frame(rows), target, cat_features=[WORD])
    booster.fit(pool)
    del classes
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.json"
        booster.save_model(str(file), format="json", pool=pool)
        return booster, file.read_bytes()


def _frame(rows: Floats) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    frame[WORD] = rows[:, WORD].astype(np.int64)
    return frame


def _predict_lightgbm(fitted: Fitted, rows: Floats, raw: bool) -> Floats:
    found: Floats = fitted.booster.predict(rows, raw_score=raw, num_threads=1)
    return found


def _predict_xgboost(fitted: Fitted, rows: Floats, raw: bool) -> Floats:
    found = fitted.booster.inplace_predict(rows, predict_type="margin" if raw else "value", validate_features=False)
    return np.asarray(found, np.float64)


def _predict_catboost(fitted: Fitted, rows: Floats, raw: bool) -> Floats:
    classes = fitted.objective in ("Logloss", "MultiClass", "MultiClassOneVsAll")
    link = "Probability" if classes else "Exponent" if fitted.objective == "Poisson" else "RawFormulaVal"
    found = fitted.booster.predict(_frame(rows), prediction_type="RawFormulaVal" if raw else link, thread_count=1)
    return np.asarray(found, np.float64)


FIT = {"lightgbm": _fit_lightgbm, "xgboost": _fit_xgboost, "catboost": _fit_catboost}
_PREDICT = {"lightgbm": _predict_lightgbm, "xgboost": _predict_xgboost, "catboost": _predict_catboost}
