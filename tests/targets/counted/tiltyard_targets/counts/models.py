"""Models of counts."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tiltyard.evaluation import EvaluatedRows, pair_numbers
from tiltyard.models.recipes.task_part import Recipes
from tiltyard.targets.numbers.models import NumberModels
from tiltyard.tasks import DecisionRule, TaskInput

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def count_by_boosting(random_state: int) -> Pipeline:
    """Coded categories, gradient boosting by the Poisson deviance."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.pipeline import Pipeline

    from tiltyard.models.preprocessing import tree_preprocessor

    boosting = HistGradientBoostingRegressor(loss="poisson", max_iter=60, random_state=random_state)
    return Pipeline([("columns", tree_preprocessor()), ("counter", boosting)])


def count_by_lines(_random_state: int) -> Pipeline:
    """Scaled numbers and one-hot categories, Poisson regression."""
    from sklearn.linear_model import PoissonRegressor
    from sklearn.pipeline import Pipeline

    from tiltyard.models.preprocessing import linear_preprocessor

    return Pipeline([("columns", linear_preprocessor()), ("counter", PoissonRegressor(max_iter=500))])


class CountModels(NumberModels):
    noun = "counter"
    predicted = "counts"
    second_metric = "mae"
    safe_metrics = "poisson_deviance or mae"
    defaults = MappingProxyType({"table": ("poisson",)})

    def load_recipes(self) -> dict[TaskInput, Recipes]:
        return {
            "table": {
                "poisson": ("Poisson regression", count_by_lines, {}),
                "boosted-counts": ("Boosting by the Poisson deviance", count_by_boosting, {}),
            }
        }

    def evaluate_fold(
        self,
        model: Any,
        rows: Any,
        truth: NDArray[Any],
        positive: str | None,
        prices: DecisionRule | None,
        by_cost: bool,
    ) -> EvaluatedRows:
        return pair_numbers(truth, model.predict(rows), target="count")


PART = CountModels()
