"""What a version can be made of: a fitted estimator that predicts one class or one number, and says what it reads."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any

from tiltyard.errors import UsageError
from tiltyard.models.recipes.task_part import TaskModels
from tiltyard.registry.foreign.fitted_boosters import is_native_booster, store_boosters
from tiltyard.registry.foreign.searches import take_best_estimator
from tiltyard.registry.package.object_graph import walk_objects
from tiltyard.registry.package.task_part import TaskRegistry
from tiltyard.tasks import TASKS, Task, TaskTarget, find_task, is_kind_of, reads_text

_GIVE = "Give a fitted classifier or regressor, or a pipeline that ends in one."
# Classes whose input is a column of texts, by name: a model may come with its own vectoriser.
_READS_TEXTS = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")


@dataclass(frozen=True)
class FittedModel:
    """A fitted estimator, checked.

    Attributes:
        model: the estimator or pipeline.
        task: what it predicts from what.
        names: the columns that it reads, in order; None where it was fitted on a matrix without names, or on texts.
        width: how many columns it reads; None where it does not tell, and for texts.
        given: the model as its owner has it, where it is stored as another: a booster of a library; None where not.
    """

    model: Any
    task: Task
    names: tuple[str, ...] | None
    width: int | None
    given: Any = None

    @property
    def kind(self) -> str:
        """The class of its last step: what people call it."""
        return type(find_last_step(self.model if self.given is None else self.given)).__name__


def find_last_step(model: Any) -> Any:
    """The estimator at the end of a pipeline; any other model is its own."""
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else model


def check_fitted_model(model: Any) -> FittedModel:
    """Make sure that a version can be made of an object, and find what it reads and predicts.

    Raises:
        UsageError: it is not an estimator, or predicts neither classes nor numbers (``model.not-an-estimator``); it is
            not fitted (``model.not-fitted``); it gives no probabilities (``model.no-probabilities``); it knows
            one class (``model.one-class``), or predicts several values at once (``model.several-outputs``).
    """
    _require_estimator(model)
    _require_fitted(model)
    target = find_target(model)
    TaskRegistry.find_for_target(target).check_fitted(model)
    task = find_task("text" if _reads_texts(model) else "table", target)
    if reads_text(task):
        return FittedModel(model, task, None, None)
    names = getattr(model, "feature_names_in_", None)
    width = getattr(model, "n_features_in_", None)
    if names is None:
        return FittedModel(model, task, None, None if width is None else int(width))
    return FittedModel(model, task, tuple(str(name) for name in names), len(names))


def check_given_model(model: Any) -> FittedModel:
    """The same of a model that may be, or end in, a fitted booster of LightGBM, XGBoost or CatBoost, or a search.

    Raises:
        UsageError: as of ``check_fitted_model``, or a booster cannot be stored (``model.booster``).
        ArtifactError: the trees of a booster do not fit together.
    """
    given = take_best_estimator(model)
    stored = store_boosters(given)
    found = check_fitted_model(stored)
    # A library's own ``Booster`` has no labels: its document, as the library reads it, is the model.
    return found if stored is given or is_native_booster(given) else replace(found, given=given)


def find_target(model: Any) -> TaskTarget:
    """Whether an estimator predicts a class or a number.

    Raises:
        UsageError: neither (``model.not-an-estimator``).
    """
    from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor  # noqa: PLC0415

    try:
        if is_classifier(model):
            return "class"
        if is_regressor(model):
            return "number"
        aside = (
            "finds groups without labels"
            if is_clusterer(model)
            else "finds outliers without labels"
            if is_outlier_detector(model)
            else ""
        )
    except (AttributeError, TypeError):  # an object without scikit-learn's tags
        aside = ""
    if not aside and getattr(model, "classes_", None) is not None and hasattr(model, "predict_proba"):
        return "class"  # a class of the user's own that lacks the tags
    why = aside or "predicts neither classes nor numbers"
    raise UsageError(
        f"A {name_model(model)} cannot be kept as a version: it {why}.",
        next_step=_GIVE,
        code="model.not-an-estimator",
    )


def require_task(found: FittedModel, task: Task) -> None:
    """Make sure that a model is for the task of a project.

    Raises:
        UsageError: it is for another one (``model.other-task``).
    """
    given, wanted = TASKS[found.task], TASKS[task]
    if given.input != wanted.input or not is_kind_of(wanted.target, given.target):
        raise UsageError(
            f"The model ({found.kind}) is for {found.task}, and the project's task is {task}.",
            next_step="Adopt it outside the project, with --model-name, or change project.task.",
            code="model.other-task",
        )


def predict_plain(found: FittedModel, rows: Any) -> Any:
    """What the model as its owner has it predicts for rows as they are: probabilities (n, k), or n numbers."""
    import numpy as np  # noqa: PLC0415

    model = found.model if found.given is None else found.given
    plain = TaskModels.find_for(found.task).predict(model, rows)
    return plain if plain.dtype == np.float32 else plain.astype(np.float64)


def name_model(model: Any) -> str:
    """What messages call a model: a pipeline also by its last step."""
    last = find_last_step(model)
    kind = type(model).__name__
    return kind if last is model else f"{kind} that ends in {type(last).__name__}"


def _require_estimator(model: Any) -> None:
    what = ""
    if model is None:
        what = "The model is None"
    elif inspect.isclass(model):
        what = f"The model is the class {model.__name__}, not a fitted object of it"
    elif not all(callable(getattr(model, method, None)) for method in ("fit", "predict")):
        # A pipeline has ``predict`` only where its last step has it.
        what = f"A {name_model(model)} cannot be kept as a version: it does not predict"
    if what:
        raise UsageError(f"{what}.", next_step=_GIVE, code="model.not-an-estimator")


def _require_fitted(model: Any) -> None:
    from sklearn.exceptions import NotFittedError  # noqa: PLC0415
    from sklearn.utils.validation import check_is_fitted  # noqa: PLC0415

    try:
        check_is_fitted(model)
    except NotFittedError:
        raise UsageError(
            f"The {name_model(model)} is not fitted.",
            next_step="Fit it first: model.fit(X, y). To have Tiltyard fit it, use "
            "MLOpsPipeline.train_and_track_model.",
            code="model.not-fitted",
        ) from None
    except (AttributeError, TypeError):  # not scikit-learn's kind of object: what it predicts shows if it is fitted
        return


def require_model_classes(model: Any) -> None:
    """Make sure that a fitted classifier knows its classes, two at least, and gives probabilities.

    Raises:
        UsageError: it does not.
    """
    kind = name_model(model)
    classes = getattr(model, "classes_", None)
    if classes is None:
        raise UsageError(
            f"A {kind} without classes_ cannot be kept as a version.",
            next_step="Fit it first, on labels.",
            code="model.not-fitted",
        )
    if isinstance(classes, list) and any(hasattr(one, "__len__") and not isinstance(one, str) for one in classes):
        raise describe_several_outputs(model)
    if len(classes) < 2:
        raise UsageError(
            f"The {kind} was fitted on one class ({classes[0]}), which it always predicts.",
            next_step="Fit it on labels of two classes or more.",
            code="model.one-class",
        )
    if not hasattr(model, "predict_proba"):
        raise UsageError(
            f"A {kind} without predict_proba cannot be kept as a version: its predictions would have no confidence.",
            next_step="Fit CalibratedClassifierCV(model) instead, or let MLOpsPipeline.train_and_track_model do it.",
            code="model.no-probabilities",
        )


def describe_several_outputs(model: Any) -> UsageError:
    """The error about a model that predicts several values at once."""
    return UsageError(
        f"The {name_model(model)} predicts several values at once, and a version predicts one.",
        next_step="Fit one model for each label.",
        code="model.several-outputs",
    )


def _reads_texts(model: Any) -> bool:
    steps = getattr(model, "steps", None)
    first = steps[0][1] if steps else model
    if hasattr(first, "transformer_list"):  # a union of vectorisers reads what each of them reads
        first = next(walk_objects(first.transformer_list[0][1]))
    if getattr(first, "steps", None):
        return _reads_texts(first)
    return any(kind.__name__ in _READS_TEXTS for kind in type(first).__mro__) or _is_tagged_for_texts(first)


def _is_tagged_for_texts(step: Any) -> bool:
    """Whether a step says by scikit-learn's tags that it reads a list of texts, as our own do."""
    from sklearn.utils import get_tags  # noqa: PLC0415

    try:
        tags = get_tags(step).input_tags
    except (AttributeError, TypeError):  # not scikit-learn's kind of object
        return False
    return bool(tags.string and not tags.two_d_array)
