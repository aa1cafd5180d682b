"""Fitted pipelines as people bring them: each classifier and regressor of scikit-learn with the usual preparation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, QuantileTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators
from xgboost import XGBClassifier, XGBRegressor

ROWS, TAUGHT = 240, 160
WORDS = ("good", "bad", "slow", "quick", "dear", "cheap", "late", "kind", "rude", "clean")

_CLASSIFIERS = [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))]
_REGRESSORS = [("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3))]
_PARAMS: dict[str, dict[str, Any]] = {
    "VotingClassifier": {"estimators": _CLASSIFIERS, "voting": "soft"},
    "StackingClassifier": {"estimators": _CLASSIFIERS, "cv": 2},
    "VotingRegressor": {"estimators": _REGRESSORS},
    "StackingRegressor": {"estimators": _REGRESSORS, "cv": 2},
    **{
        name: {"estimator": LogisticRegression()}
        for name in (
            *("CalibratedClassifierCV", "ClassifierChain", "FixedThresholdClassifier", "MultiOutputClassifier"),
            *("OneVsOneClassifier", "OneVsRestClassifier", "OutputCodeClassifier", "SelfTrainingClassifier"),
            "TunedThresholdClassifierCV",
        )
    },
    **{name: {"estimator": Ridge()} for name in ("MultiOutputRegressor", "RegressorChain")},
    **{name: {"n_components": 1} for name in ("CCA", "PLSCanonical", "PLSRegression")},
    "QuadraticDiscriminantAnalysis": {"reg_param": 0.1},
    "KNeighborsClassifier": {"algorithm": "brute"},
    "KNeighborsRegressor": {"algorithm": "brute"},
    **{name: {"radius": 9.0} for name in ("RadiusNeighborsClassifier", "RadiusNeighborsRegressor")},
}
_FEW = {"n_estimators": 10, "max_iter": 50}
_QUIET: dict[str, dict[str, Any]] = {
    "LGBM": {"n_estimators": 10, "verbosity": -1, "n_jobs": 1},
    "XGBC": {"n_estimators": 10, "n_jobs": 1},
    "XGBR": {"n_estimators": 10, "n_jobs": 1},
    "CatB": {"n_estimators": 10, "verbose": False, "allow_writing_files": False, "thread_count": 1},
}
_TREES = (
    *("LGBM", "XGB", "CatBoost"),
    "DecisionTree",
    "ExtraTree",
    "RandomForest",
    "GradientBoosting",
    "HistGradientBoosting",
    "Bagging",
    "AdaBoost",
)

_READ_SPARSE_ROWS = (
    *("LogisticRegression", "LogisticRegressionCV", "MultinomialNB", "ComplementNB", "BernoulliNB", "SGDClassifier"),
    *("RandomForestClassifier", "ExtraTreesClassifier", "DecisionTreeClassifier", "GradientBoostingClassifier"),
    *("CalibratedClassifierCV", "MLPClassifier", "RidgeClassifier", "LinearSVC", "LinearSVR", "Ridge"),
    *("SGDRegressor", "ElasticNet", "Lasso", "RandomForestRegressor", "ExtraTreesRegressor", "DecisionTreeRegressor"),
    *("GradientBoostingRegressor", "BaggingRegressor", "HuberRegressor"),
)

# What scikit-learn itself does not fit on such rows: several labels at once, a single column, too few columns; and what
# it will remove.
NOT_FOR_SUCH_ROWS = (
    *("OrthogonalMatchingPursuitCV", "PassiveAggressiveClassifier", "PassiveAggressiveRegressor"),
    *("ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor", "RegressorChain", "IsotonicRegression"),
    *("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV"),
)


@dataclass(frozen=True)
class FittedPipeline:
    """A fitted pipeline, the rows that taught it, and others."""

    model: Any
    taught: pd.DataFrame
    others: pd.DataFrame


@dataclass(frozen=True)
class PipelineCase:
    """A pipeline to be fitted."""

    name: str
    fit: Callable[[], FittedPipeline]

    def __repr__(self) -> str:
        return self.name


@cache
def make_rows() -> pd.DataFrame:
    """Rows with numbers, words, truth values and gaps, and a label of each kind."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, ROWS),
            "town": random.choice(["York", "Leeds", "Hull"], ROWS),
            "member": random.random(ROWS) < 0.5,
            "spend": random.normal(100, 30, ROWS),
            "height": random.normal(170, 10, ROWS),
        }
    )
    score = frame["age"] / 10 + 2 * (frame["town"] == "York") + random.normal(0, 1, ROWS)
    words = np.where(score.to_numpy()[:, None] > 6, WORDS[::2], WORDS[1::2])
    frame.loc[::17, "spend"] = np.nan
    texts = [" ".join(random.choice(row, 6)) for row in words]
    return frame.assign(
        text=texts, stays=np.where(score > 6, "stay", "leave").astype(object), points=score.to_numpy() + 5
    )


def list_pipelines() -> Iterator[PipelineCase]:
    """Every classifier and regressor behind encoded, filled and scaled columns, and many on texts or a bare matrix.

    The three boosters are among them, behind columns and on a matrix.
    """
    for label, boosters in (
        ("stays", (LGBMClassifier, XGBClassifier, CatBoostClassifier)),
        ("points", (LGBMRegressor, XGBRegressor, CatBoostRegressor)),
    ):
        for booster in boosters:
            name = booster.__name__
            yield PipelineCase(f"{name}-table", _fit_later(_prepare_table, name, booster, label))
            yield PipelineCase(f"{name}-matrix", _fit_later(_prepare_matrix, name, booster, label))
    for kind, label in (("classifier", "stays"), ("regressor", "points")):
        for name, estimator in all_estimators(kind):
            if name in NOT_FOR_SUCH_ROWS:
                continue
            yield PipelineCase(f"{name}-table", _fit_later(_prepare_table, name, estimator, label))
            if name in _READ_SPARSE_ROWS:
                yield PipelineCase(f"{name}-text", _fit_later(_prepare_text, name, estimator, label))
            if any(name.startswith(tree) for tree in (*_TREES, "Gaussian", "Linear", "Bayesian", "Huber", "MLP")):
                yield PipelineCase(f"{name}-matrix", _fit_later(_prepare_matrix, name, estimator, label))


def _fit_later(
    prepare: Callable[[str], tuple[Any, tuple[str, ...]]], name: str, estimator: type[BaseEstimator], label: str
) -> Callable[[], FittedPipeline]:
    def fit() -> FittedPipeline:
        preparation, columns = prepare(name)
        made = estimator(**_PARAMS.get(name, _QUIET.get(name[:4], {})))
        made.set_params(**{key: value for key, value in _FEW.items() if key in made.get_params(deep=False)})
        if "random_state" in made.get_params(deep=False):
            made.set_params(random_state=0)
        rows = make_rows()
        if estimator is XGBClassifier:  # it takes 0 and 1 only
            rows = rows.assign(stays=(rows["stays"] == "stay").astype(int))
        taught, others = rows[:TAUGHT], rows[TAUGHT:].reset_index(drop=True)
        inputs: Any = taught[columns[0]] if columns == ("text",) else taught[list(columns)]
        model = made if preparation is None else make_pipeline(preparation, made)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what scikit-learn says of so few rows
            model.fit(inputs.to_numpy() if preparation is None else inputs, taught[label])
        kept = [*columns, label]
        return FittedPipeline(model, taught[kept].reset_index(drop=True), others[kept])

    return fit


def _prepare_table(name: str) -> tuple[Any, tuple[str, ...]]:
    scaler = (
        MinMaxScaler()
        if name.endswith("NB")
        else QuantileTransformer(n_quantiles=10)
        if len(name) % 3
        else StandardScaler()
    )
    words: Any = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    if any(name.startswith(tree) for tree in _TREES):
        words = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    numbers = make_pipeline(SimpleImputer(), scaler)
    transformer = make_column_transformer((words, ["town", "member"]), (numbers, ["age", "spend"]))
    return transformer, ("age", "town", "member", "spend")


def _prepare_text(_name: str) -> tuple[Any, tuple[str, ...]]:
    return TfidfVectorizer(), ("text",)


def _prepare_matrix(_name: str) -> tuple[Any, tuple[str, ...]]:
    return None, ("age", "height", "member")
