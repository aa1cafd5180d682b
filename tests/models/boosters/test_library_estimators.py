"""Estimators that users bring from LightGBM, XGBoost and CatBoost become ours, and predict what theirs predict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier

from tiltyard.errors import UsageError
from tiltyard.models.boosters.estimators import BoosterClassifier, BoosterRegressor
from tiltyard.models.boosters.library_estimators import replace_boosters

QUIET: dict[str, Any] = {"verbose": False, "allow_writing_files": False}
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "lightgbm": lambda: LGBMClassifier(n_estimators=20, num_leaves=7, reg_lambda=2.0, random_state=3, verbosity=-1),
    "lightgbm by class weights": lambda: LGBMClassifier(n_estimators=9, class_weight="balanced", verbosity=-1),
    "lightgbm forest": lambda: LGBMClassifier(
        boosting_type="rf", n_estimators=9, subsample=0.5, subsample_freq=1, random_state=0, verbosity=-1
    ),
    "xgboost": lambda: XGBClassifier(n_estimators=20, max_depth=3, reg_lambda=2.0, random_state=3),
    "xgboost as it stands": XGBClassifier,
    "xgboost of positive rows": lambda: XGBClassifier(n_estimators=9, scale_pos_weight=4.0, subsample=0.7),
    "catboost": lambda: CatBoostClassifier(iterations=20, depth=4, random_seed=3, thread_count=1, **QUIET),
    "catboost by class weights": lambda: CatBoostClassifier(n_estimators=9, auto_class_weights="Balanced", **QUIET),
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "lightgbm": lambda: LGBMRegressor(n_estimators=20, min_child_samples=5, random_state=3, verbosity=-1),
    "lightgbm of absolute errors": lambda: LGBMRegressor(objective="regression_l1", n_estimators=9, verbosity=-1),
    "xgboost": lambda: XGBRegressor(n_estimators=20, learning_rate=0.2, random_state=3),
    "xgboost of counts": lambda: XGBRegressor(objective="count:poisson", n_estimators=9),
    "catboost": lambda: CatBoostRegressor(iterations=20, learning_rate=0.2, random_seed=3, **QUIET),
    "catboost of counts": lambda: CatBoostRegressor(loss_function="Poisson", iterations=20, **QUIET),
}


def _rows() -> tuple[Any, Any, Any]:
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 4))
    features[random.random((200, 4)) < 0.1] = np.nan
    numbers = np.floor(np.exp(np.nan_to_num(features[:, 0]))) + np.abs(np.nan_to_num(features[:, 1])).round()
    return features, (numbers > 1).astype(int), numbers


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_the_same_settings_give_the_same_probabilities(kind: str) -> None:
    """Ours with the settings of a library's classifier predicts what that predicts, and takes labels in words."""
    features, codes, _ = _rows()
    theirs = CLASSIFIERS[kind]().fit(features, codes)
    ours = replace_boosters(CLASSIFIERS[kind]()).fit(features, np.array(["bad", "good"], dtype=object)[codes])
    assert type(ours) is BoosterClassifier
    np.testing.assert_allclose(ours.predict_proba(features), theirs.predict_proba(features), atol=1e-6)
    assert set(ours.predict(features)) == {"bad", "good"}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("kind", REGRESSORS)
def test_the_same_settings_give_the_same_numbers(kind: str) -> None:
    """Ours with the settings of a library's regressor predicts what that predicts."""
    features, _, numbers = _rows()
    theirs = REGRESSORS[kind]().fit(features, numbers)
    ours = replace_boosters(REGRESSORS[kind]()).fit(features, numbers)
    assert type(ours) is BoosterRegressor
    np.testing.assert_allclose(ours.predict(features), theirs.predict(features), rtol=1e-5)


def test_an_xgboost_recipe_takes_three_labels_in_words() -> None:
    """XGBoost wants 0, 1, 2; ours encodes around it."""
    features, codes, numbers = _rows()
    labels = np.array(["low", "mid", "high"], dtype=object)[codes + (numbers > 3)]
    ours = replace_boosters(XGBClassifier(n_estimators=20)).fit(features, labels)
    assert ours.classes_.tolist() == ["high", "low", "mid"]
    assert (ours.predict(features) == labels).mean() > 0.9


def test_early_stopping_needs_no_rows_of_the_user() -> None:
    """Where a recipe sets early stopping, training rows that are held out in turn tell when."""
    ours = replace_boosters(XGBClassifier(n_estimators=500, early_stopping_rounds=5, learning_rate=0.3))
    assert (ours.early_stopping, ours.n_iter_no_change, ours.max_iter) == (True, 5, 500)
    features, codes, _ = _rows()
    assert ours.fit(features, codes).n_iter_ < 200


def test_the_last_step_of_a_pipeline_is_replaced() -> None:
    """Of a pipeline only the booster is replaced; any other estimator stays as it is."""
    pipeline = replace_boosters(Pipeline([("scale", StandardScaler()), ("model", LGBMClassifier())]))
    assert [type(step) for _, step in pipeline.steps] == [StandardScaler, BoosterClassifier]
    logistic = LogisticRegression()
    assert replace_boosters(logistic) is logistic


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a ranker": (LGBMRanker, "LGBMRanker\\) is not one of LGBMClassifier and LGBMRegressor"),
    "a forest": (XGBRFClassifier, "XGBRFClassifier\\) is not one of XGBClassifier"),
    "an objective": (lambda: LGBMClassifier(objective=lambda y, p: (y, p)), "has a function for objective"),
    "a marker": (lambda: XGBClassifier(missing=-999.0), "takes -999.0 for a gap"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_stored_is_refused_before_the_training(what: str) -> None:
    """A model that ours cannot be is refused by its name, before any row is read."""
    make, message = REFUSED[what]
    with pytest.raises(UsageError, match=message) as raised:
        replace_boosters(make())
    assert raised.value.code == "model.booster"


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize(
    ("make", "set_to"),
    [
        (lambda: LGBMClassifier(verbosity=-1), {"n_estimators": 7, "num_leaves": 4, "reg_alpha": 0.5}),
        (XGBClassifier, {"n_estimators": 7, "max_depth": 2, "gamma": 0.5}),
        (lambda: CatBoostClassifier(**QUIET), {"iterations": 7, "depth": 2, "l2_leaf_reg": 9.0}),
    ],
    ids=["lightgbm", "xgboost", "catboost"],
)
def test_a_search_sets_parameters_by_the_librarys_names(make: Callable[[], Any], set_to: dict[str, Any]) -> None:
    """A parameter that a search sets, given by the recipe or not, is that of the fitted booster."""
    features, codes, _ = _rows()
    known = replace_boosters(make()).get_params()
    assert set(set_to) <= set(known)
    ours = clone(replace_boosters(make())).set_params(**set_to).fit(features, codes)
    theirs = make().set_params(**set_to).fit(features, codes)
    assert ours.n_iter_ == 7
    np.testing.assert_allclose(ours.predict_proba(features), theirs.predict_proba(features), atol=1e-6)
