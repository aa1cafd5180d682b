"""Classifiers: their folds, their probabilities, their labels."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_regressor
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold

from tiltyard.data import Dataset
from tiltyard.data.conform.labels import order_classes
from tiltyard.data.groups import RowGroups
from tiltyard.errors import DataError
from tiltyard.evaluation import EvaluatedRows, label_predictions
from tiltyard.formatting import format_count
from tiltyard.models.calibration import ensure_probabilities
from tiltyard.models.recipes.task_part import Fold, FoldPlan, Recipes, TaskModels
from tiltyard.tasks import DecisionRule, TaskInput

# So many groups are shared out evenly by chance; stratifying them costs a step in Python for each.
MANY_GROUPS = 20_000


class ClassModels(TaskModels):
    """The ``TaskModels`` of classes."""

    noun = "classifier"
    predicted = "classes"
    method = "predict_proba"
    second_metric = "log_loss"
    safe_metrics = "log_loss or accuracy"
    defaults = MappingProxyType({"text": ("tfidf-logreg",), "table": ("gradient-boosting",)})

    def load_recipes(self) -> dict[TaskInput, Recipes]:
        from tiltyard.models.recipes.boosting import BOOSTERS  # noqa: PLC0415 - recipes take a second
        from tiltyard.models.recipes.tabular import TABULAR  # noqa: PLC0415 - likewise
        from tiltyard.models.recipes.text import TEXT  # noqa: PLC0415 - likewise

        return {"text": TEXT, "table": {**TABULAR, **BOOSTERS}}

    def list_model_classes(self, model: Any) -> tuple[str, ...]:
        return order_classes(str(label) for label in model.classes_)

    def is_made_for(self, estimator: Any) -> bool:
        return hasattr(estimator, "predict_proba") or not is_regressor(estimator)

    def complete(self, estimator: Any) -> Any:
        if not hasattr(estimator, "predict_proba") and not hasattr(estimator, "decision_function"):
            raise ValueError(
                "has neither predict_proba nor decision_function, so that no probability can be had from it"
            )
        return ensure_probabilities(estimator)

    def predict(self, model: Any, rows: Any) -> NDArray[Any]:
        return np.asarray(model.predict_proba(rows))

    def measure_unit(self, predicted: NDArray[Any]) -> float:
        return 1.0

    def evaluate_fold(
        self,
        model: Any,
        rows: Any,
        truth: NDArray[Any],
        positive: str | None,
        prices: DecisionRule | None,
        by_cost: bool,
    ) -> EvaluatedRows:
        probabilities = np.asarray(model.predict_proba(rows), dtype=np.float64)
        classes = np.asarray(model.classes_)
        names = [str(name) for name in classes]
        rule = prices.reorder(names) if prices is not None and by_cost else None
        chosen = probabilities.argmax(axis=1) if rule is None else rule.decide(probabilities)
        return label_predictions(truth, classes[chosen], probabilities, names, positive, rule=rule, prices=prices)

    def divide(self, labels: NDArray[np.object_], plan: FoldPlan) -> list[Fold]:
        seed = None if plan.in_order else plan.random_state
        parts = StratifiedKFold(n_splits=plan.folds, shuffle=not plan.in_order, random_state=seed)
        return list(parts.split(labels, labels))

    def divide_groups(self, labels: NDArray[np.object_], groups: RowGroups, plan: FoldPlan) -> list[Fold]:
        kind = StratifiedGroupKFold if groups.count <= MANY_GROUPS else GroupKFold
        found = list(kind(plan.folds, shuffle=True, random_state=plan.random_state).split(labels, labels, groups.keys))
        _require_known_labels(found, labels, groups)
        return found

    def require_rows_for_folds(self, train: Dataset, folds: int) -> None:
        counts = train.labels.value_counts()
        if counts.iloc[-1] < folds:
            raise DataError(
                f"The label {counts.index[-1]!r} has {counts.iloc[-1]} rows on the train side; {folds}-fold "
                f"cross-validation needs {folds}.",
                next_step="Add rows of it, lower training.folds, or name a single candidate and no search.",
                code="data.too-few-for-folds",
            )

    def count_scarcest(self, train: Dataset) -> int:
        return int(train.labels.value_counts().iloc[-1])

    def choose_sample(self, train: Dataset, rows: int, rows_of_class: int) -> NDArray[np.bool_]:
        labels = train.labels
        place = labels.groupby(labels).cumcount().to_numpy()
        chosen = place < rows_of_class
        return np.asarray(chosen & (np.cumsum(chosen) <= max(rows, 2 * labels.nunique())), dtype=np.bool_)

    def make_strata(self, train: Dataset) -> NDArray[np.str_]:
        return train.labels.to_numpy(dtype=str)


def _require_known_labels(found: Sequence[Fold], labels: NDArray[np.object_], groups: RowGroups) -> None:
    for rows, held_out in found:
        unknown = sorted(set(labels[held_out]) - set(labels[rows]))
        if unknown:
            count = len(np.unique(groups.keys[labels == unknown[0]]))
            raise DataError(
                f"The label {unknown[0]!r} occurs in {format_count(count, 'group')} of '{groups.column}' on the train "
                "side, which one fold of the cross-validation holds out together.",
                next_step="Add groups with this label, change training.folds, or name a single candidate and no "
                "search.",
                code="data.too-few-for-folds",
                column=groups.column,
            )


PART = ClassModels()
