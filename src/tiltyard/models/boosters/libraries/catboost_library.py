"""Boosters of CatBoost (Prokhorenkova et al., 2018): fitted, written as its files, and read back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tiltyard.models.boosters.libraries.boosting_library import BoosterDocument, BoostingPlan, FitRows, Floats, Predict

# CatBoost refuses a gap in a category, so it becomes one more category.
_GAP = -1

# What differs each time in what it writes: the same seed is to give the same bytes.
_BY_CHANCE = ("model_guid", "train_finish_time")


class CatBoost:
    """See ``BoostingLibrary``."""

    parameters: ClassVar[Mapping[str, str]] = {
        "learning_rate": "learning_rate",
        "max_depth": "depth",
        "l2_regularization": "l2_leaf_reg",
        "max_features": "rsm",
        "subsample": "subsample",
        "one_hot_max_size": "one_hot_max_size",
    }

    def fit(self, rows: FitRows, plan: BoostingPlan, held_out: FitRows | None) -> BoosterDocument:
        """Fit a booster; with held-out rows as many rounds as are best on them, else all."""
        import catboost  # noqa: PLC0415 - optional, and slow to import

        settings = {**_objective(plan.classes), **plan.settings, **_reproducible(plan)}
        if "subsample" in settings:
            settings["bootstrap_type"] = "Bernoulli"
        if not np.ptp(rows.target):
            settings["bootstrap_type"] = "No"  # by gradients it would draw no row at all: each is zero
            settings.pop("subsample", None)
        booster = catboost.CatBoost({**settings, "iterations": plan.rounds})
        pool = _make_pool(catboost, rows, plan.categorical)
        stop: dict[str, Any] = {}
        if held_out is not None:
            watched = _make_pool(catboost, held_out, plan.categorical)
            stop = {"eval_set": watched, "early_stopping_rounds": plan.patience, "use_best_model": True}
        try:
            booster.fit(pool, **stop)
        except catboost.CatBoostError as error:
            raise ValueError(f"CatBoost refuses it: {_first_line(error)}") from error
        kept = booster.get_metadata()
        for name in _BY_CHANCE:
            kept[name] = ""
        with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
            binary, text = Path(folder) / "model.cbm", Path(folder) / "model.json"
            booster.save_model(str(binary), format="cbm")
            booster.save_model(str(text), format="json", pool=pool)
            return BoosterDocument(binary.read_bytes(), text.read_bytes(), int(booster.tree_count_))

    def load(self, document: BoosterDocument, categorical: tuple[int, ...], classes: int) -> Predict:
        """What predicts n rows of features: n numbers, or probabilities of shape (n, classes)."""
        import catboost  # noqa: PLC0415 - optional, and slow to import

        booster = catboost.CatBoost()
        try:
            booster.load_model(blob=document.content)
        except catboost.CatBoostError as error:
            raise ValueError(f"CatBoost cannot read it: {_first_line(error)}") from error
        kind = "Probability" if classes else "Exponent" if _has_log_link(booster) else "RawFormulaVal"

        def predict(features: Any) -> Floats:
            rows = _make_frame(features, categorical)
            return np.asarray(booster.predict(rows, prediction_type=kind, thread_count=1), dtype=np.float64)

        return predict


def _objective(classes: int) -> dict[str, Any]:
    if classes == 0:
        return {"loss_function": "RMSE", "allow_const_label": True}
    if classes == 2:
        return {"loss_function": "Logloss"}
    return {"loss_function": "MultiClass", "classes_count": classes}


def _has_log_link(booster: Any) -> bool:
    loss = str(booster.get_all_params().get("loss_function", "")) if booster.get_all_params() else ""
    return loss.partition(":")[0] in ("Poisson", "Tweedie")


def _reproducible(plan: BoostingPlan) -> dict[str, Any]:
    return {
        **({} if plan.seed is None else {"random_seed": plan.seed}),
        "thread_count": plan.threads,
        "allow_writing_files": False,  # else a folder catboost_info appears where the process stands
        "logging_level": "Silent",
    }


def _make_pool(catboost: Any, rows: FitRows, categorical: tuple[int, ...]) -> Any:
    frame = _make_frame(rows.features, categorical)
    return catboost.Pool(frame, rows.target, weight=rows.weights, cat_features=list(categorical))


def _make_frame(features: Any, categorical: tuple[int, ...]) -> Any:
    """A frame of numbers and of whole numbers for categories: CatBoost refuses fractions for those."""
    if not categorical:
        return features
    columns: dict[str, Any] = {str(place): features[:, place] for place in range(features.shape[1])}
    for place in categorical:
        codes = features[:, place]
        columns[str(place)] = np.where(np.isnan(codes), _GAP, codes).astype(np.int64)
    return pd.DataFrame(columns)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rpartition(": ")[2] if lines else type(error).__name__


LIBRARY = CatBoost()
