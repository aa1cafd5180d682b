"""Cross-validation on the train side that vectorises texts once for all recipes that read them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from tiltyard.data import Dataset
from tiltyard.data.inference.task_part import TaskData
from tiltyard.errors import DataError
from tiltyard.evaluation import EvaluatedRows, Metric, get_metric, get_task_metric
from tiltyard.models.recipes.task_part import Fold, TaskModels
from tiltyard.models.selection.folds import make_folds
from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer
from tiltyard.tasks import DecisionRule

# With so many rows one held-out fold separates candidates as well as all folds do with fewer.
LARGE = 200_000

# A search that changes only the classifier finds its texts vectorised, as long as they take no more than this.
KEPT_BYTES = 1 << 30


@dataclass(frozen=True)
class SelectionPlan:
    """How candidates are evaluated.

    Attributes:
        metric: metric name of the project file.
        folds: number of stratified folds, at least 2; above ``LARGE`` rows only the first of them is held out.
        random_state: seed of the folds and of the candidates.
        positive: the label that counts as positive where there are two; default: the last in sorted order.
        in_order: folds are rows that stand together, within each label, rather than any: where neighbours belong
            together (reviews of one film), the others then reveal nothing about the held-out rows.
        group: column of the rows that belong together (``split.group``), which are then held out together.
        prices: what decisions cost; None for no costs. With the metric of costs, labels are decided by them.
    """

    metric: str
    folds: int
    random_state: int
    positive: str | None = None
    in_order: bool = False
    group: str | None = None
    prices: DecisionRule | None = None


class FoldScores(NamedTuple):
    """What a pipeline reached in each fold, bigger being better.

    Attributes:
        metric: by the plan's metric; with the sign turned where less is better.
        second: by the metric that decides between even ones: the mean log of the probability of the true label, or of
            numbers the root mean squared error with the sign turned.
    """

    metric: tuple[float, ...]
    second: tuple[float, ...]

    @classmethod
    def from_folds(cls, folds: Sequence[tuple[float, float]]) -> FoldScores:
        """From the pair of each fold."""
        return cls(tuple(score for score, _ in folds), tuple(score for _, score in folds))


class CrossValidation:
    """The same folds for every recipe.

    Args:
        train: the rows to divide into folds.
        plan: how recipes are evaluated.
        keep: whether vectorised texts are kept from one call of ``scores`` to the next.

    Raises:
        DataError: a label has fewer rows than there are folds, or groups are too few or too uneven for folds.
        UsageError: there is no such metric.
    """

    def __init__(self, train: Dataset, plan: SelectionPlan, *, keep: bool = False) -> None:
        self._of_task = TaskModels.find_for(train.task)
        self._metrics = get_task_metric(plan.metric, train.task), get_metric(self._of_task.second_metric)
        self._positive, self._prices = plan.positive, plan.prices
        self._of_task.require_rows_for_folds(train, plan.folds)
        self._labels = train.labels.to_numpy(dtype=TaskData.find_for(train.task).cell_type)
        self._inputs = train.inputs
        self._parts = make_folds(train, plan.folds, plan.random_state, in_order=plan.in_order, group=plan.group)[
            : 1 if len(train) > LARGE else None
        ]
        self._vectorised_key = ""
        self._vectorised: dict[int, tuple[Any, Any]] = {}
        self._keep = keep

    def scores(
        self,
        pipelines: Sequence[Pipeline],
        on_scored: Callable[[int, FoldScores], None] = lambda _position, _scores: None,
    ) -> list[FoldScores]:
        """How each pipeline did in each fold, bigger being better; the pipelines themselves are not fitted.

        Args:
            pipelines: with class probabilities, or regressors.
            on_scored: called with a pipeline's position and its scores when they are known.
        """
        result: list[list[tuple[float, float]]] = [[] for _ in pipelines]
        for group in _group_by_vectoriser(pipelines):
            for number, part in enumerate(self._parts):
                read = self._vectorise_fold(pipelines[group[0]], number)
                for position in group:
                    result[position].append(self._score(pipelines[position], part, read))
            for position in group:
                on_scored(position, FoldScores.from_folds(result[position]))
        return [FoldScores.from_folds(scores) for scores in result]

    def _score(self, pipeline: Pipeline, part: Fold, read: tuple[Any, Any] | None) -> tuple[float, float]:
        rows, held_out = part
        if read is None:
            model = clone(pipeline)
            train_rows, test_rows = self._inputs.iloc[rows], self._inputs.iloc[held_out]
        else:
            model = clone(Pipeline(pipeline.steps[1:]))
            train_rows, test_rows = read
        model.fit(train_rows, self._labels[rows])
        by_cost = self._metrics[0].needs_costs
        fold = self._of_task.evaluate_fold(
            model, test_rows, self._labels[held_out], self._positive, self._prices, by_cost
        )
        first, second = (_sign_value(metric, fold, self._of_task) for metric in self._metrics)
        return first, second

    def _vectorise_fold(self, pipeline: Pipeline, number: int) -> tuple[Any, Any] | None:
        """The texts of a fold as the pipeline's vectoriser reads them; None if it begins with none of ours."""
        key = _describe_vectoriser(pipeline)
        if key is None:
            return None
        if key != self._vectorised_key:
            self._vectorised, self._vectorised_key = {}, key
        if number in self._vectorised:
            return self._vectorised[number]
        rows, held_out = self._parts[number]
        vectoriser = clone(pipeline.steps[0][1])
        train_rows = vectoriser.fit_transform(self._inputs.iloc[rows])
        read = (train_rows, vectoriser.transform(self._inputs.iloc[held_out]))
        if self._keep and len(self._parts) * sum(_count_bytes(matrix) for matrix in read) <= KEPT_BYTES:
            self._vectorised[number] = read
        return read


def require_rows_for_folds(train: Dataset, folds: int) -> None:
    """Make sure that each class has a row for each fold; of numbers, that there are so many rows.

    Raises:
        DataError: one has fewer (``data.too-few-for-folds``).
    """
    TaskModels.find_for(train.task).require_rows_for_folds(train, folds)


def _sign_value(metric: Metric, fold: EvaluatedRows, of_task: TaskModels) -> float:
    """Evaluation's value of the metric, with the sign turned where less is better."""
    try:
        value = metric.compute(fold)
    except ValueError as error:
        raise DataError(
            f"Candidates cannot be ranked by {metric.name}: in one fold, {error}.",
            next_step=f"Set training.metric to another metric, such as {of_task.safe_metrics}.",
            code="data.metric-undefined",
        ) from error
    return value if metric.bigger_is_better else -value


def _group_by_vectoriser(pipelines: Sequence[Pipeline]) -> list[list[int]]:
    """Positions of the pipelines, grouped by equal vectorisers; each other pipeline is a group."""
    groups: dict[str, list[int]] = {}
    for position, pipeline in enumerate(pipelines):
        key = _describe_vectoriser(pipeline)
        groups.setdefault(f"alone {position}" if key is None else key, []).append(position)
    return list(groups.values())


def _describe_vectoriser(pipeline: Pipeline) -> str | None:
    first = pipeline.steps[0][1]
    if len(pipeline.steps) < 2 or type(first) is not FastTfidfVectorizer:
        return None
    return repr(sorted(first.get_params().items()))


def _count_bytes(matrix: Any) -> int:
    return int(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes)
