"""What scoring needs of a task; servers load it, so it imports nothing heavy."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from tiltyard.scoring.scorer import Scorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.tasks import Task, TaskPart

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from tiltyard.registry.package.packaging import Package


class TaskScoring(TaskPart):
    """The scorers of a task.

    Attributes:
        has_sets: whether a request may ask for prediction sets by a confidence_level.
    """

    has_sets: bool = False

    @abstractmethod
    def compile_texts(self, pipeline: Pipeline) -> Scorer:
        """The compiled scorer of a fitted pipeline of texts.

        Raises:
            NotCompilableError: there is none, with the reason.
        """

    @abstractmethod
    def compile_table(self, pipeline: Pipeline, columns: InputColumns) -> Scorer:
        """The compiled scorer of a fitted pipeline of tables, other than a booster's.

        Raises:
            NotCompilableError: there is none, with the reason.
        """

    @abstractmethod
    def make_plain(self, pipeline: Pipeline, task: Task, columns: Any) -> Scorer:
        """A scorer that calls scikit-learn, of the likeliest label or the number; see ``SklearnScorer``."""

    @abstractmethod
    def make_uncompiled(self, package: Package, columns: InputColumns, reason: str) -> Scorer:
        """The scorer of a version that has no compiled one, with its rule, its order of classes or its intervals.

        Args:
            package: the version.
            columns: its features.
            reason: why there is no compiled one.
        """

    @abstractmethod
    def list_pipeline_classes(self, pipeline: Pipeline) -> tuple[str, ...]:
        """The classes of a fitted pipeline in the order of ``order_classes``; none where there are none."""

    @abstractmethod
    def toy_labels(self) -> tuple[Any, Any]:
        """Two labels, for a fit that only compiles."""
