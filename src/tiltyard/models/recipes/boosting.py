"""Recipes of LightGBM, XGBoost and CatBoost: each library is optional (``tiltyard[boosting]``).

Categories are the library's own, by codes; gaps are left to it where training had some. As many rounds are fitted as
are best on held-out training rows. They run on one core, and the same seed gives the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sklearn.pipeline import Pipeline

from tiltyard.models.boosters.estimators import BoosterClassifier, BoosterRegressor
from tiltyard.models.boosters.libraries.boosting_library import TITLES
from tiltyard.models.preprocessing import CATEGORIES, RAREST_CATEGORY, booster_preprocessor
from tiltyard.models.recipes.tabular import REGRESSOR
from tiltyard.models.search_space import FloatRange, IntegerRange, Range, Space

CLASSIFIER = "classifier"
"""Name of the last step of a recipe that predicts labels."""

_SETTINGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "lightgbm": {"learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": 10, "l2_regularization": 1.0},
        "xgboost": {"learning_rate": 0.05, "max_depth": 5, "min_child_weight": 2.0, "l2_regularization": 1.0},
        "catboost": {"learning_rate": 0.06, "max_depth": 6, "l2_regularization": 3.0},
    }
)
# XGBoost rounds a share of the features down: of two a tree would have one, and see no interaction.
_SHARES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "lightgbm": {"max_features": 0.8, "subsample": 0.8},
        "xgboost": {"max_features": 1.0, "subsample": 0.8},
        "catboost": {"max_features": 0.8, "subsample": 0.8},
    }
)

_SPACES: Mapping[str, Mapping[str, Range]] = MappingProxyType(
    {
        "lightgbm": {
            "max_leaf_nodes": IntegerRange(4, 64, log=True),
            "min_samples_leaf": IntegerRange(2, 100, log=True),
        },
        "xgboost": {
            "max_depth": IntegerRange(2, 10),
            "min_child_weight": FloatRange(0.1, 30.0, log=True),
        },
        "catboost": {"max_depth": IntegerRange(3, 9)},
    }
)
_SHARED_SPACE: Mapping[str, Range] = MappingProxyType(
    {
        "learning_rate": FloatRange(0.02, 0.3, log=True),
        "l2_regularization": FloatRange(0.01, 30.0, log=True),
        "max_features": FloatRange(0.4, 1.0),
        "subsample": FloatRange(0.5, 1.0),
    }
)


def boost_classes(library: str, random_state: int) -> Pipeline:
    """Coded categories, boosted trees of a library, for labels."""
    step = BoosterClassifier(library, **_read_settings(library), random_state=random_state)
    return Pipeline([("columns", booster_preprocessor()), (CLASSIFIER, step)])


def boost_numbers(library: str, random_state: int) -> Pipeline:
    """Coded categories, boosted trees of a library, for numbers."""
    step = BoosterRegressor(library, **_read_settings(library), random_state=random_state)
    return Pipeline([("columns", booster_preprocessor()), (REGRESSOR, step)])


def _read_settings(library: str) -> dict[str, Any]:
    # LightGBM's own least size of a group of categories, 100 rows, and its smoothing by 10 rows keep it from parting
    # the categories of a small table.
    # All categories one by one: CatBoost's target statistics have no compiled form, and 100 categories are the most.
    extra: dict[str, dict[str, Any]] = {
        "lightgbm": {"settings": {"min_data_per_group": RAREST_CATEGORY, "cat_smooth": 1.0}},
        "catboost": {"one_hot_max_size": 255},
    }
    return {"categorical": CATEGORIES, **_SETTINGS[library], **_SHARES[library], **extra.get(library, {})}


def _space(library: str, step: str) -> Space:
    return {f"{step}__{name}": limits for name, limits in {**_SHARED_SPACE, **_SPACES[library]}.items()}


def _builder(build: Callable[[str, int], Pipeline], library: str) -> Callable[[int], Pipeline]:
    return lambda random_state: build(library, random_state)


BOOSTERS: dict[str, tuple[str, Callable[[int], Pipeline], Space, str]] = {
    name: (f"Coded categories, {title}", _builder(boost_classes, name), _space(name, CLASSIFIER), name)
    for name, title in TITLES.items()
}
"""Name in the project file: title for people, what builds the pipeline from a seed, what a search may vary, library."""

BOOSTER_REGRESSORS: dict[str, tuple[str, Callable[[int], Pipeline], Space, str]] = {
    f"{name}-{REGRESSOR}": (f"Coded categories, {title}", _builder(boost_numbers, name), _space(name, REGRESSOR), name)
    for name, title in TITLES.items()
}
"""The same of numbers."""
