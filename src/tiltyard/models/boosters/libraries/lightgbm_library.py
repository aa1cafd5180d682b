"""Boosters of LightGBM (Ke et al., 2017): fitted, written as its text, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tiltyard.models.boosters.libraries.boosting_library import BoosterDocument, BoostingPlan, FitRows, Floats, Predict

_QUIET = {"verbosity": -1}


class LightGBM:
    """See ``BoostingLibrary``."""

    parameters: ClassVar[Mapping[str, str]] = {
        "learning_rate": "learning_rate",
        "max_leaf_nodes": "num_leaves",
        "max_depth": "max_depth",
        "min_samples_leaf": "min_data_in_leaf",
        "l2_regularization": "lambda_l2",
        "max_features": "feature_fraction",
        "subsample": "bagging_fraction",
    }

    def fit(self, rows: FitRows, plan: BoostingPlan, held_out: FitRows | None) -> BoosterDocument:
        """Fit a booster; with held-out rows as many rounds as are best on them, else all."""
        import lightgbm  # noqa: PLC0415 - optional, and slow to import

        settings = {**_objective(plan.classes), **plan.settings, **_reproducible(plan)}
        if settings.get("bagging_fraction", 1.0) < 1:
            settings["bagging_freq"] = 1
        train = _make_dataset(lightgbm, rows, plan, None)
        watched = [] if held_out is None else [_make_dataset(lightgbm, held_out, plan, train)]
        stop = [lightgbm.early_stopping(plan.patience, verbose=False)] if watched else []
        try:
            booster = lightgbm.train(settings, train, plan.rounds, valid_sets=watched, callbacks=stop)
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(f"LightGBM refuses it: {error}") from error
        rounds = booster.best_iteration if watched and booster.best_iteration > 0 else booster.current_iteration()
        content = booster.model_to_string(num_iteration=rounds).encode()
        return BoosterDocument(content, b"", rounds)

    def load(self, document: BoosterDocument, categorical: tuple[int, ...], classes: int) -> Predict:  # noqa: ARG002
        """What predicts n rows of features: n numbers, or probabilities of shape (n, classes)."""
        import lightgbm  # noqa: PLC0415 - optional, and slow to import

        try:
            booster = lightgbm.Booster(model_str=document.content.decode())
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
            raise ValueError(f"LightGBM cannot read it: {error}") from error

        def predict(features: Any) -> Floats:
            # One thread: rows come few at a time, and a server has other work for its cores.
            found = np.asarray(booster.predict(features, num_threads=1), dtype=np.float64)
            return np.column_stack([1.0 - found, found]) if classes == 2 and found.ndim == 1 else found

        return predict


def _objective(classes: int) -> dict[str, Any]:
    if classes == 0:
        return {"objective": "regression"}
    return {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}


def _reproducible(plan: BoostingPlan) -> dict[str, Any]:
    return {
        **_QUIET,
        **({} if plan.seed is None else {"seed": plan.seed}),
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": plan.threads,
    }


def _make_dataset(lightgbm: Any, rows: FitRows, plan: BoostingPlan, like: Any) -> Any:
    return lightgbm.Dataset(
        rows.features,
        rows.target,
        weight=rows.weights,
        reference=like,
        categorical_feature=list(plan.categorical),
        params={**plan.settings, **_QUIET, "num_threads": plan.threads},
    )


LIBRARY = LightGBM()
