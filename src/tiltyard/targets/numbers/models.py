"""Regressors: their folds and their numbers."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_regressor
from sklearn.model_selection import GroupKFold, KFold

from tiltyard.data import Dataset
from tiltyard.data.groups import RowGroups
from tiltyard.errors import DataError
from tiltyard.evaluation import EvaluatedRows, pair_numbers
from tiltyard.formatting import format_count
from tiltyard.models.recipes.task_part import Fold, FoldPlan, Recipes, TaskModels
from tiltyard.tasks import DecisionRule, TaskInput


class NumberModels(TaskModels):
    """The ``TaskModels`` of numbers."""

    noun = "regressor"
    predicted = "numbers"
    method = "predict"
    second_metric = "rmse"
    safe_metrics = "mae or rmse"
    defaults = MappingProxyType(
        {
            "text": ("tfidf-ridge",),
            "table": (
                *("catboost-regressor", "xgboost-regressor", "lightgbm-regressor"),
                "gradient-boosting-regressor",
            ),
        }
    )

    def load_recipes(self) -> dict[TaskInput, Recipes]:
        from tiltyard.models.recipes.boosting import BOOSTER_REGRESSORS  # noqa: PLC0415 - recipes take a second
        from tiltyard.models.recipes.tabular import TABLE_REGRESSORS  # noqa: PLC0415 - likewise
        from tiltyard.models.recipes.text import TEXT_REGRESSORS  # noqa: PLC0415 - likewise

        return {"text": TEXT_REGRESSORS, "table": {**TABLE_REGRESSORS, **BOOSTER_REGRESSORS}}

    def list_model_classes(self, model: Any) -> tuple[str, ...]:
        return ()

    def is_made_for(self, estimator: Any) -> bool:
        return bool(is_regressor(estimator))

    def complete(self, estimator: Any) -> Any:
        return estimator

    def predict(self, model: Any, rows: Any) -> NDArray[Any]:
        return np.asarray(model.predict(rows)).ravel()

    def measure_unit(self, predicted: NDArray[Any]) -> float:
        return max(1.0, float(np.max(np.abs(predicted)))) if len(predicted) else 1.0

    def evaluate_fold(
        self,
        model: Any,
        rows: Any,
        truth: NDArray[Any],
        positive: str | None,
        prices: DecisionRule | None,
        by_cost: bool,
    ) -> EvaluatedRows:
        return pair_numbers(truth, model.predict(rows))

    def divide(self, labels: NDArray[np.object_], plan: FoldPlan) -> list[Fold]:
        seed = None if plan.in_order else plan.random_state
        return list(KFold(plan.folds, shuffle=not plan.in_order, random_state=seed).split(labels))

    def divide_groups(self, labels: NDArray[np.object_], groups: RowGroups, plan: FoldPlan) -> list[Fold]:
        parts = GroupKFold(plan.folds, shuffle=True, random_state=plan.random_state)
        return list(parts.split(labels, labels, groups.keys))

    def require_rows_for_folds(self, train: Dataset, folds: int) -> None:
        if len(train) < 2 * folds:
            raise DataError(
                f"The train side has {format_count(len(train), 'row')}; "
                f"{folds}-fold cross-validation needs {2 * folds}.",
                next_step="Add rows, lower training.folds, or name a single candidate and no search.",
                code="data.too-few-for-folds",
            )

    def count_scarcest(self, train: Dataset) -> int:
        return len(train)

    def choose_sample(self, train: Dataset, rows: int, rows_of_class: int) -> NDArray[np.bool_]:
        return np.arange(len(train)) < rows

    def make_strata(self, train: Dataset) -> NDArray[np.str_]:
        return np.zeros(len(train), dtype=str)


PART = NumberModels()
