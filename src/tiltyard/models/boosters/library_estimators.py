"""Estimators of LightGBM, XGBoost and CatBoost that users bring, as ours with the same settings.

Ours take labels of any kind (XGBoost wants 0, 1, …), are stored without a pickle, and a copy of a stored one can be
fitted again. What is fitted is the same: the library gets the same settings.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from tiltyard.errors import UsageError
from tiltyard.models.boosters.estimators import (
    PATIENCE,
    ROUNDS,
    SEEDS,
    THREADS,
    BoosterClassifier,
    BoosterRegressor,
)
from tiltyard.models.boosters.libraries.boosting_library import TITLES

_KNOWN = {
    "lightgbm": ("LGBMClassifier", "LGBMRegressor"),
    "xgboost": ("XGBClassifier", "XGBRegressor"),
    "catboost": ("CatBoostClassifier", "CatBoostRegressor"),
}
# What is said about a fit, and what it leaves on the disk, is none of the model's.
_OUTPUT = (
    *("verbose", "verbosity", "silent", "logging_level", "metric_period", "verbose_eval", "importance_type"),
    *("allow_writing_files", "train_dir", "save_snapshot", "snapshot_file", "snapshot_interval", "name"),
)
# XGBoost's word for what ours find out.
_OF_FRAMES = ("enable_categorical", "feature_types")
_ELSEWHERE = ("missing", "callbacks", *ROUNDS, *PATIENCE, *SEEDS, *THREADS)
_USUAL_ROUNDS = {"lightgbm": 100, "xgboost": 100, "catboost": 1000}
# What follows from the labels.
_BY_LABELS = ("binary:logistic", "multi:softprob", "multi:softmax", "binary", "multiclass", "Logloss", "MultiClass")


def find_booster_library(estimator: Any) -> str | None:
    """The library whose estimator it is; None for anything else."""
    library = type(estimator).__module__.split(".", maxsplit=1)[0]
    return library if library in TITLES else None


def replace_boosters(estimator: Any) -> Any:
    """The same unfitted estimator, or the pipeline's last step, as one of ours where it is a library's own.

    Raises:
        UsageError: ours cannot do what it does (``model.booster``): an objective that is a function, a kind of model
            other than classifiers and regressors, a marker for gaps.
    """
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        return Pipeline([*estimator.steps[:-1], (name, replace_boosters(last))])
    library = find_booster_library(estimator)
    return estimator if library is None else _replace_booster(estimator, library)


def _replace_booster(estimator: Any, library: str) -> BoosterClassifier | BoosterRegressor:
    kind = type(estimator).__name__
    if kind not in _KNOWN[library]:
        raise _booster_error(estimator, f"is not one of {' and '.join(_KNOWN[library])}")
    given = {name: value for name, value in estimator.get_params().items() if value is not None}
    unset = dict.fromkeys(_list_parameters(estimator))
    functions = [name for name, value in given.items() if callable(value) or name == "callbacks"]
    if functions:
        raise _booster_error(estimator, f"has a function for {functions[0]}, which cannot be stored")
    _refuse_marker(estimator, given)
    rounds = _pop_first(given, ROUNDS, _USUAL_ROUNDS[library])
    patience = _pop_first(given, PATIENCE, None)
    seed, threads = _pop_first(given, SEEDS, None), _pop_first(given, THREADS, 1)
    shared: dict[str, Any] = {
        "library": library,
        "max_iter": rounds,
        "early_stopping": patience is not None,
        "random_state": seed,
        "n_jobs": max(1, int(threads)),
        **({} if patience is None else {"n_iter_no_change": int(patience)}),
    }
    # Those that are not set too: a search may name them.
    settings = {**_drop(unset), **_drop(given)}
    if library == "catboost":
        shared["categorical"] = tuple(settings.pop("cat_features", None) or ())
    if is_classifier(estimator):
        if library == "lightgbm":
            shared["class_weight"] = settings.pop("class_weight", None)
        return BoosterClassifier(settings=settings, **shared)
    return BoosterRegressor(settings=settings, **shared)


def _refuse_marker(estimator: Any, given: dict[str, Any]) -> None:
    """XGBoost forgets its marker for gaps when a model is saved: a stored one would take it for a number."""
    missing = given.pop("missing", math.nan)
    if not (isinstance(missing, float) and math.isnan(missing)):
        raise _booster_error(estimator, f"takes {missing!r} for a gap, which XGBoost does not store")


def _list_parameters(estimator: Any) -> list[str]:
    """All parameters that its class names: CatBoost reports only those that are set."""
    named = inspect.signature(type(estimator).__init__).parameters.values()
    return [one.name for one in named if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)][1:] + list(
        estimator.get_params()
    )


def _drop(given: dict[str, Any]) -> dict[str, Any]:
    """The settings without what is said of a fit, and without an objective that follows from the labels."""
    return {
        name: value
        for name, value in given.items()
        if name not in (*_OUTPUT, *_OF_FRAMES, *_ELSEWHERE)
        and not (name in ("objective", "loss_function") and isinstance(value, str) and value in _BY_LABELS)
    }


def _pop_first(given: dict[str, Any], names: tuple[str, ...], default: Any) -> Any:
    found = [given.pop(name) for name in names if name in given]
    return found[0] if found else default


def _booster_error(estimator: Any, problem: str) -> UsageError:
    return UsageError(
        f"The model ({type(estimator).__name__}) {problem}.",
        next_step="Give an LGBMClassifier, XGBClassifier or CatBoostClassifier (or the regressor) with settings that "
        "are numbers and texts, and with NaN for gaps.",
        code="model.booster",
    )
