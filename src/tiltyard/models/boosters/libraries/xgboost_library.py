"""Boosters of XGBoost (Chen and Guestrin, 2016): fitted, written as its JSON, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tiltyard.models.boosters.libraries.boosting_library import BoosterDocument, BoostingPlan, FitRows, Floats, Predict

# A name with a space in it makes early stopping fail (XGBoost 3.2).
_WATCHED = "held_out"


class XGBoost:
    """See ``BoostingLibrary``."""

    parameters: ClassVar[Mapping[str, str]] = {
        "learning_rate": "learning_rate",
        "max_leaf_nodes": "max_leaves",
        "max_depth": "max_depth",
        "min_child_weight": "min_child_weight",
        "l2_regularization": "reg_lambda",
        "max_features": "colsample_bytree",
        "subsample": "subsample",
    }

    def fit(self, rows: FitRows, plan: BoostingPlan, held_out: FitRows | None) -> BoosterDocument:
        """Fit a booster; with held-out rows as many rounds as are best on them, else all."""
        import xgboost  # noqa: PLC0415 - optional, and slow to import

        settings = {"tree_method": "hist", **_objective(plan.classes), **plan.settings, **_reproducible(plan)}
        if settings.get("max_leaves"):
            settings = {"grow_policy": "lossguide", "max_depth": 0, **settings}
        train = _make_matrix(xgboost, rows, plan)
        watched = [] if held_out is None else [(_make_matrix(xgboost, held_out, plan), _WATCHED)]
        try:
            booster = xgboost.train(
                settings,
                train,
                plan.rounds,
                evals=watched,
                early_stopping_rounds=plan.patience if watched else None,
                verbose_eval=False,
            )
        except xgboost.core.XGBoostError as error:
            raise ValueError(f"XGBoost refuses it: {_first_line(error)}") from error
        if watched:
            booster = booster[: booster.best_iteration + 1]
        rounds = booster.num_boosted_rounds()
        return BoosterDocument(bytes(booster.save_raw("json")), b"", rounds)

    def load(self, document: BoosterDocument, categorical: tuple[int, ...], classes: int) -> Predict:  # noqa: ARG002
        """What predicts n rows of features: n numbers, or probabilities of shape (n, classes)."""
        import xgboost  # noqa: PLC0415 - optional, and slow to import

        booster = xgboost.Booster({"nthread": 1})
        try:
            booster.load_model(bytearray(document.content))
        except xgboost.core.XGBoostError as error:
            raise ValueError(f"XGBoost cannot read it: {_first_line(error)}") from error
        booster.set_param({"nthread": 1})

        def predict(features: Any) -> Floats:
            found = booster.inplace_predict(features, validate_features=False)
            numbers = np.asarray(found, dtype=np.float64)
            return np.column_stack([1.0 - numbers, numbers]) if classes == 2 and numbers.ndim == 1 else numbers

        return predict


def _objective(classes: int) -> dict[str, Any]:
    if classes == 0:
        return {"objective": "reg:squarederror"}
    if classes == 2:
        return {"objective": "binary:logistic"}
    return {"objective": "multi:softprob", "num_class": classes}


def _reproducible(plan: BoostingPlan) -> dict[str, Any]:
    return {
        "tree_method": "hist",
        "verbosity": 0,
        **({} if plan.seed is None else {"seed": plan.seed}),
        "nthread": plan.threads,
    }


def _make_matrix(xgboost: Any, rows: FitRows, plan: BoostingPlan) -> Any:
    chosen = set(plan.categorical)
    return xgboost.DMatrix(
        rows.features,
        rows.target,
        weight=rows.weights,
        feature_types=["c" if place in chosen else "q" for place in range(rows.features.shape[1])],
        enable_categorical=True,
        nthread=plan.threads,
    )


def _first_line(error: Exception) -> str:
    """What the library says, without the place in its source and the calls that led there."""
    lines = str(error).strip().splitlines()
    return lines[0].rpartition("] ")[2] if lines else type(error).__name__


LIBRARY = XGBoost()
