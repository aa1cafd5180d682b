"""The estimators that people bring: checked, given their parameters, and prepared for the columns of a table."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.base import clone, is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.pipeline import Pipeline

from tiltyard.data import Dataset
from tiltyard.errors import UsageError
from tiltyard.formatting import join_names
from tiltyard.models import Candidate
from tiltyard.models.boosters.library_estimators import find_booster_library, replace_boosters
from tiltyard.models.preprocessing import (
    CATEGORIES,
    booster_preprocessor,
    drop_unused_dates,
    linear_preprocessor,
    tree_preprocessor,
)
from tiltyard.models.recipes.task_part import TaskModels
from tiltyard.models.recipes.text import default_vectoriser
from tiltyard.pipeline.training.steps import TrainedModel
from tiltyard.registry.foreign.searches import take_best_estimator
from tiltyard.suggest import nearest
from tiltyard.tasks import TARGETS, TASKS, USUAL_TARGET, Task, TaskTarget, is_kind_of

logger = logging.getLogger(__name__)

_TREES = ("BaseDecisionTree", "BaseForest", "BaseHistGradientBoosting", "BaseGradientBoosting")
_TREES_BY_DEFAULT = ("BaseBagging", "BaseWeightBoosting")
_GIVE = "Give a classifier or a regressor, such as RandomForestClassifier(), or a pipeline that ends in one."


@dataclass(frozen=True)
class UserEstimator:
    """An unfitted pipeline that a user's model became.

    Attributes:
        pipeline: it, with probabilities, and prepared for the inputs.
        name: the class of the user's classifier.
        logged_only: given parameters that the model does not have.
    """

    pipeline: Pipeline
    name: str
    logged_only: tuple[str, ...] = ()

    def as_candidate(self, task: Task) -> Candidate:
        """The candidate whose only recipe is a copy of it."""
        return Candidate(self.name, self.name, task, lambda _seed: clone(self.pipeline))

    def train(self, candidate: Candidate, rows: Dataset) -> TrainedModel:
        """A copy that is fitted to the rows, and how long that took.

        Raises:
            UsageError: the model refuses the rows or its parameters (``model.fit-failed``).
        """
        started = time.perf_counter()
        pipeline = self.fit(rows.inputs, rows.labels)
        return TrainedModel(candidate, pipeline, (), time.perf_counter() - started)

    def fit(self, inputs: pd.Series | pd.DataFrame, labels: pd.Series) -> Pipeline:
        """A fitted copy.

        Raises:
            UsageError: the model refuses the rows or its parameters (``model.fit-failed``).
        """
        fitted = clone(self.pipeline)
        try:
            fitted.fit(inputs, labels)
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"The {self.name} cannot be fitted: {_first_line(error)}.",
                next_step="Correct the model or its parameters. A bare estimator gets its columns prepared (words, "
                "gaps, dates); your pipeline has to prepare them itself.",
                code="model.fit-failed",
            ) from error
        return take_best_estimator(drop_unused_dates(fitted))


def find_model_target(model: Any) -> TaskTarget:
    """What a user's model predicts, as far as it tells."""
    try:
        other = (target for target in TARGETS if target != USUAL_TARGET)
        return next((target for target in other if TaskModels.find_for_target(target).is_made_for(model)), USUAL_TARGET)
    except (AttributeError, TypeError):  # an object without scikit-learn's tags
        return USUAL_TARGET


def prepare_estimator(
    model: Any, params: Mapping[str, Any], inputs: pd.Series | pd.DataFrame, task: Task
) -> UserEstimator:
    """An unfitted pipeline of a copy of the user's model; the model itself is not changed.

    A single estimator is prepared as the built-in candidates are: for trees categories are coded, for others numbers
    are scaled and categories one-hot; texts become TF-IDF weights. A pipeline is taken as it stands. Without
    probabilities a classifier is calibrated.

    Args:
        model: a scikit-learn classifier, regressor or pipeline.
        params: parameters to set; of a pipeline also those of its last step without ``step__``. One that the model does
            not have is only logged, unless it is almost the name of one.
        inputs: the training rows: a Series of texts, or a table.
        task: what is predicted from what.

    Raises:
        UsageError: it is not an estimator of the task (``model.not-a-classifier``, ``model.other-target``), or a
            parameter is misspelt.
    """
    _require_estimator(model, task)
    of_task = TaskModels.find_for(task)
    ours = clone(model)
    logged_only = _set_params(ours, params)
    booster = find_booster_library(ours) is not None
    name = type(ours.steps[-1][1] if isinstance(ours, Pipeline) else ours).__name__
    ours = replace_boosters(ours)
    if isinstance(ours, Pipeline):
        return UserEstimator(of_task.complete(ours), name, logged_only)
    step: Any
    if isinstance(inputs, pd.Series):
        step = ("tfidf", default_vectoriser())
    elif booster:
        _refuse_named_categories(ours, name)
        step = ("columns", booster_preprocessor())
        ours.set_params(categorical=CATEGORIES)
    else:
        step = ("columns", tree_preprocessor() if _cuts_columns(ours) else linear_preprocessor())
    pipeline = Pipeline([step, (of_task.noun, of_task.complete(ours))])
    return UserEstimator(pipeline, name, logged_only)


def _refuse_named_categories(booster: Any, kind: str) -> None:
    """Its columns are prepared here, after which those of words are its categories."""
    if booster.categorical:
        raise UsageError(
            f"The model ({kind}) names its categories (cat_features), and its columns are prepared here.",
            next_step="Leave cat_features out: columns of words are categories. Or give a pipeline that prepares the "
            "columns itself.",
            code="model.booster",
        )


def _require_estimator(model: Any, task: Task) -> None:
    kind = type(model).__name__
    if model is None:
        raise UsageError("The model is None.", next_step=_GIVE, code="model.not-a-classifier")
    if inspect.isclass(model):
        raise UsageError(
            f"The model is the class {model.__name__}, not an object of it.",
            next_step=f"Give {model.__name__}().",
            code="model.not-a-classifier",
        )
    if not all(hasattr(model, method) for method in ("fit", "get_params", "predict")):
        raise UsageError(
            f"The model ({kind}) is not a scikit-learn estimator.", next_step=_GIVE, code="model.not-a-classifier"
        )
    if is_classifier(model) and not (hasattr(model, "predict_proba") or hasattr(model, "decision_function")):
        raise UsageError(
            f"The model ({kind}) gives neither probabilities nor scores.",
            next_step="Give a classifier with predict_proba or decision_function.",
            code="model.no-probabilities",
        )
    given, wanted = find_model_target(model), TASKS[task].target
    if not is_kind_of(wanted, given):
        mine, theirs = (TaskModels.find_for_target(target).predicted for target in (given, wanted))
        raise UsageError(
            f"The model ({kind}) predicts {mine}, and the project's task is {task}.",
            next_step=f"Give a model that predicts {theirs}, or change project.task.",
            code="model.other-target",
        )
    what = _describe_other(model)
    if what:
        raise UsageError(f"The model ({kind}) {what}.", next_step=_GIVE, code="model.not-a-classifier")


def _describe_other(model: Any) -> str:
    """What an estimator does that predicts neither classes nor numbers; empty for one that does."""
    if is_classifier(model) or is_regressor(model):
        return ""
    if is_clusterer(model):
        return "finds groups without labels, and Tiltyard trains classifiers and regressors"
    if is_outlier_detector(model):
        return "finds outliers without labels, and Tiltyard trains classifiers and regressors"
    # A class of the user's own may lack scikit-learn's tags.
    return (
        ""
        if hasattr(model, "predict_proba") or hasattr(model, "decision_function")
        else "is neither a classifier nor a regressor"
    )


def _set_params(ours: Any, params: Mapping[str, Any]) -> tuple[str, ...]:
    """Set the parameters that the model has; the names of the others, which are only logged."""
    has = ours.get_params(deep=True)
    last = f"{ours.steps[-1][0]}__" if isinstance(ours, Pipeline) else ""
    known = {**{name: name for name in has}, **{name.removeprefix(last): name for name in has if name.startswith(last)}}
    others = tuple(name for name in params if name not in known)
    for name in others:
        hint = nearest(name, known)
        if hint:
            raise UsageError(
                f"The {type(ours).__name__} has no parameter '{name}' (model_params).{hint}",
                next_step=f"Correct the name; it has {join_names(sorted(has))}.",
                code="model.parameter-unknown",
            )
    if others:
        logger.warning("%s has no %s: logged, not set.", type(ours).__name__, join_names(others))
    try:
        ours.set_params(**{known[name]: value for name, value in params.items() if name in known})
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"The parameters of {type(ours).__name__} cannot be set: {_first_line(error)}.",
            next_step="Correct model_params.",
            code="model.parameter-unusable",
        ) from error
    return others


def _cuts_columns(classifier: Any) -> bool:
    """Whether a classifier is made of trees; of a search or an ensemble, what it is made of."""
    names = {kind.__name__ for kind in type(classifier).__mro__}
    if not names.isdisjoint(_TREES) or find_booster_library(classifier) is not None:
        return True
    inner = getattr(classifier, "estimator", None)
    return not names.isdisjoint(_TREES_BY_DEFAULT) if inner is None else _cuts_columns(inner)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
