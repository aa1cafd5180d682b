"""Cross-validation on the train side that vectorises texts once for all recipes that read them alike."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from tiltyard.data import Dataset
from tiltyard.data.inference.task_part import TaskData
from tiltyard.engines import Engine, SameProcess
from tiltyard.engines.engine import Fragments, Mapped
from tiltyard.errors import DataError, UsageError
from tiltyard.evaluation import EvaluatedRows, Metric, get_metric, get_task_metric
from tiltyard.models.custom_candidates import on_import_path
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
        root: the project's folder, where other processes import the classes of the user's own recipes from.
    """

    metric: str
    folds: int
    random_state: int
    positive: str | None = None
    in_order: bool = False
    group: str | None = None
    prices: DecisionRule | None = None
    root: Path | None = None


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


@dataclass
class FoldWork:
    """Scores pipelines on one fold; the work of an engine.

    Attributes:
        train: the rows that are divided into folds.
        plan: how recipes are evaluated.
        parts: the folds.
        kept_bytes: vectorised texts are kept from one call to the next, if those of all folds take no more.
        root: the project's folder, where the classes of the user's own recipes are imported from.
    """

    train: Dataset
    plan: SelectionPlan
    parts: Sequence[Fold]
    kept_bytes: int = 0
    root: Path | None = None

    def __post_init__(self) -> None:
        self._of_task = TaskModels.find_for(self.train.task)
        self._metrics = (
            get_task_metric(self.plan.metric, self.train.task),
            get_metric(self._of_task.second_metric),
        )
        self._labels = self.train.labels.to_numpy(dtype=TaskData.find_for(self.train.task).cell_type)
        self._vectorised_key = ""
        self._vectorised: dict[int, tuple[Any, Any]] = {}

    def __call__(self, fragment: tuple[int, Sequence[Pipeline] | bytes]) -> list[tuple[float, float]]:
        """The two scores of each pipeline on a fold.

        Args:
            fragment: the number of the fold, and the pipelines, whose vectorisers are equal; in another process pickled
                by ``pack_pipelines``.
        """
        number, given = fragment
        pipelines = _unpack_pipelines(given, self.root) if isinstance(given, bytes) else given
        read = self._vectorise_fold(pipelines[0], number)
        return [self._score(pipeline, self.parts[number], read) for pipeline in pipelines]

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("train", "plan", "parts", "kept_bytes", "root")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _score(self, pipeline: Pipeline, part: Fold, read: tuple[Any, Any] | None) -> tuple[float, float]:
        rows, held_out = part
        if read is None:
            model = clone(pipeline)
            train_rows, test_rows = self.train.inputs.iloc[rows], self.train.inputs.iloc[held_out]
        else:
            model = clone(Pipeline(pipeline.steps[1:]))
            train_rows, test_rows = read
        model.fit(train_rows, self._labels[rows])
        by_cost = self._metrics[0].needs_costs
        fold = self._of_task.evaluate_fold(
            model, test_rows, self._labels[held_out], self.plan.positive, self.plan.prices, by_cost
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
        rows, held_out = self.parts[number]
        vectoriser = clone(pipeline.steps[0][1])
        train_rows = vectoriser.fit_transform(self.train.inputs.iloc[rows])
        read = (train_rows, vectoriser.transform(self.train.inputs.iloc[held_out]))
        if len(self.parts) * sum(_count_bytes(matrix) for matrix in read) <= self.kept_bytes:
            self._vectorised[number] = read
        return read


class CrossValidation:
    """The same folds for every recipe.

    Args:
        work: scores pipelines on folds.
        mapped: maps it, in this process or in others.
        apart: whether that is in others.
    """

    def __init__(self, work: FoldWork, mapped: Mapped, *, apart: bool) -> None:
        self._work = work
        self._mapped = mapped
        self._apart = apart

    @classmethod
    @contextmanager
    def open(
        cls, train: Dataset, plan: SelectionPlan, engine: Engine | None = None, *, keep: bool = False
    ) -> Iterator[CrossValidation]:
        """The folds of some rows.

        Args:
            train: the rows to divide into folds.
            plan: how recipes are evaluated.
            engine: where folds are scored; default: in this process.
            keep: whether vectorised texts are kept from one call of ``scores`` to the next.

        Raises:
            DataError: a label has fewer rows than there are folds, or groups are too few or too uneven for folds.
            UsageError: there is no such metric.
        """
        get_task_metric(plan.metric, train.task)
        TaskModels.find_for(train.task).require_rows_for_folds(train, plan.folds)
        parts = make_folds(train, plan.folds, plan.random_state, in_order=plan.in_order, group=plan.group)
        used = SameProcess() if engine is None else engine
        work = FoldWork(train, plan, parts[: 1 if len(train) > LARGE else None], KEPT_BYTES if keep else 0, plan.root)
        with used.hold(work) as mapped:
            yield cls(work, mapped, apart=not isinstance(used, SameProcess))

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
        groups = _group_by_vectoriser(pipelines)
        folds = len(self._work.parts)
        found: list[dict[int, list[tuple[float, float]]]] = [{} for _ in groups]
        result: dict[int, FoldScores] = {}
        for number, scored in self._mapped(self._list_fragments(groups, pipelines)):
            place, fold = divmod(number, folds)
            found[place][fold] = scored
            if len(found[place]) == folds:
                for column, position in enumerate(groups[place]):
                    result[position] = FoldScores.from_folds([found[place][one][column] for one in range(folds)])
                    on_scored(position, result[position])
        return [result[position] for position in range(len(pipelines))]

    def _list_fragments(self, groups: Sequence[Sequence[int]], pipelines: Sequence[Pipeline]) -> Fragments:
        folds = len(self._work.parts)
        for place, group in enumerate(groups):
            some = [pipelines[position] for position in group]
            given = pack_pipelines(some) if self._apart else some
            for fold in range(folds):
                yield place * folds + fold, (fold, given)


def pack_pipelines(pipelines: Sequence[Pipeline]) -> bytes:
    """Pipelines for another process.

    Raises:
        UsageError: one cannot be pickled, as where its class was made within a function.
    """
    try:
        return pickle.dumps(list(pipelines))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(
            f"A candidate cannot be sent to another process: {error}.",
            next_step="Define what it is made of at the top of a module, or leave training.workers and "
            "training.engine out.",
            code="candidate.not-picklable",
        ) from None


def _unpack_pipelines(content: bytes, root: Path | None) -> list[Pipeline]:
    with nullcontext() if root is None else on_import_path(root.resolve()):
        found: list[Pipeline] = pickle.loads(content)  # noqa: S301 - our own bytes
    return found


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
