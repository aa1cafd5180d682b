"""What candidates, their choice and fitted models need of a task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.tasks import DecisionRule, TaskInput, TaskPart

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from tiltyard.data import Dataset
    from tiltyard.data.groups import RowGroups
    from tiltyard.evaluation import EvaluatedRows
    from tiltyard.models.search_space import Space

Recipe = tuple[str, Callable[[int], "Pipeline"], "Space"] | tuple[str, Callable[[int], "Pipeline"], "Space", str]
"""Title for people, what builds the pipeline from a seed, what a search may vary, and the optional library of it."""
Recipes = Mapping[str, Recipe]
"""Recipes by their names in the project file."""
Rows = NDArray[np.intp]
Fold = tuple[Rows, Rows]


@dataclass(frozen=True)
class FoldPlan:
    """How rows are divided into folds.

    Attributes:
        folds: how many.
        random_state: seed.
        in_order: folds are rows that stand together, within each label, rather than any.
    """

    folds: int
    random_state: int
    in_order: bool = False


class TaskModels(TaskPart):
    """The models of a task.

    Attributes:
        noun: what a model of it is called, as ``classifier``; also the name of a pipeline's last step.
        predicted: what it predicts, in the plural.
        method: the method of a fitted model that predicts.
        second_metric: decides between candidates that are even by the project's metric.
        safe_metrics: metrics that are defined on any fold, in words.
        defaults: the candidates where a project names none, by what its models read: the first that can be fitted on
            a host is taken, and the last needs no optional library.
    """

    noun: str
    predicted: str
    method: str
    second_metric: str
    safe_metrics: str
    defaults: Mapping[TaskInput, tuple[str, ...]]

    @abstractmethod
    def load_recipes(self) -> dict[TaskInput, Recipes]:
        """What can be trained, by what the models read; a target that reads no texts leaves those out."""

    @abstractmethod
    def list_model_classes(self, model: Any) -> tuple[str, ...]:
        """The classes of a fitted model in the order of ``order_classes``; none where the task has no classes."""

    @abstractmethod
    def is_made_for(self, estimator: Any) -> bool:
        """Whether a user's estimator predicts this, as far as it tells; one that does not tell predicts classes."""

    @abstractmethod
    def complete(self, estimator: Any) -> Any:
        """A user's estimator as the task needs it: a classifier without probabilities is calibrated.

        Raises:
            ValueError: it cannot be completed; the message says what it lacks.
        """

    @abstractmethod
    def predict(self, model: Any, rows: Any) -> NDArray[Any]:
        """What a fitted model predicts for n rows: (n, k) probabilities, or n numbers."""

    @abstractmethod
    def measure_unit(self, predicted: NDArray[Any]) -> float:
        """In what unit differences between two predictions of one row count: 1 for probabilities."""

    @abstractmethod
    def evaluate_fold(
        self,
        model: Any,
        rows: Any,
        truth: NDArray[Any],
        positive: str | None,
        prices: DecisionRule | None,
        by_cost: bool,
    ) -> EvaluatedRows:
        """What a fitted model predicts for the held-out rows of a fold, with the truth.

        Args:
            model: the model.
            rows: the n held-out rows.
            truth: their labels.
            positive: the label that counts as positive; None for the usual one.
            prices: what decisions cost; None for nothing.
            by_cost: whether labels are decided by the costs.
        """

    @abstractmethod
    def divide(self, labels: NDArray[np.object_], plan: FoldPlan) -> list[Fold]:
        """Folds of n rows, each by itself, in which labels have about the same shares."""

    @abstractmethod
    def divide_groups(self, labels: NDArray[np.object_], groups: RowGroups, plan: FoldPlan) -> list[Fold]:
        """Folds of whole groups.

        Raises:
            DataError: a label would be held out that the fold has no row to learn from.
        """

    @abstractmethod
    def require_rows_for_folds(self, train: Dataset, folds: int) -> None:
        """Make sure that there are rows enough for the folds.

        Raises:
            DataError: there are not (``data.too-few-for-folds``).
        """

    @abstractmethod
    def count_scarcest(self, train: Dataset) -> int:
        """How many rows there are of what there is least of: of the rarest class, or of all."""

    @abstractmethod
    def choose_sample(self, train: Dataset, rows: int, rows_of_class: int) -> NDArray[np.bool_]:
        """Which rows are enough for a first fit, n booleans: about ``rows``, with each class among them."""

    @abstractmethod
    def make_strata(self, train: Dataset) -> NDArray[np.str_]:
        """What n rows are drawn by, each stratum its share."""


def name_last_step(estimator: Any, noun: str) -> Pipeline:
    """A pipeline; a single estimator becomes its only step."""
    from sklearn.pipeline import Pipeline  # noqa: PLC0415 - it takes seconds

    return estimator if isinstance(estimator, Pipeline) else Pipeline([(noun, estimator)])
