"""Scorers of regressors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiltyard.scoring.scorer import NotCompilableError, Scorer
from tiltyard.scoring.sklearn_scorer import SklearnNumberScorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.task_part import TaskScoring
from tiltyard.tasks import Task

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from tiltyard.registry.package.packaging import Package


class NumberScoring(TaskScoring):
    """The ``TaskScoring`` of numbers."""

    def compile_texts(self, pipeline: Pipeline) -> Scorer:
        raise NotCompilableError("regressors of texts are not compiled yet")

    def compile_table(self, pipeline: Pipeline, columns: InputColumns) -> Scorer:
        from tiltyard.scoring.compile_table import compile_number_scorer  # noqa: PLC0415 - scikit-learn is slow

        return compile_number_scorer(pipeline, columns)

    def make_plain(self, pipeline: Pipeline, task: Task, columns: Any) -> Scorer:
        return SklearnNumberScorer(pipeline, task, columns)

    def make_uncompiled(self, package: Package, columns: InputColumns, reason: str) -> Scorer:
        return SklearnNumberScorer(package.pipeline, package.manifest.task, columns, package.intervals, reason)

    def list_pipeline_classes(self, pipeline: Pipeline) -> tuple[str, ...]:
        return ()

    def toy_labels(self) -> tuple[Any, Any]:
        return 1.0, 2.0


PART = NumberScoring()
