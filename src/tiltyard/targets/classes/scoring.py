"""Scorers of classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiltyard.data.conform.labels import order_classes
from tiltyard.scoring.class_order import decide_labels, order_columns
from tiltyard.scoring.scorer import Scorer
from tiltyard.scoring.sklearn_scorer import SklearnScorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.table.task_part import TaskScoring
from tiltyard.tasks import Task

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from tiltyard.registry.package.packaging import Package


class ClassScoring(TaskScoring):
    """The ``TaskScoring`` of classes."""

    has_sets = True

    def compile_texts(self, pipeline: Pipeline) -> Scorer:
        from tiltyard.scoring.text.compile_text import (  # noqa: PLC0415 - scikit-learn takes seconds
            compile_ensemble_scorer,
            compile_text_scorer,
        )

        return compile_ensemble_scorer(pipeline) or compile_text_scorer(pipeline)

    def compile_table(self, pipeline: Pipeline, columns: InputColumns) -> Scorer:
        from tiltyard.scoring.compile_table import compile_table_scorer  # noqa: PLC0415 - likewise

        return compile_table_scorer(pipeline, columns)

    def make_plain(self, pipeline: Pipeline, task: Task, columns: Any) -> Scorer:
        return SklearnScorer(pipeline, task, columns)

    def make_uncompiled(self, package: Package, columns: InputColumns, reason: str) -> Scorer:
        manifest = package.manifest
        plain = SklearnScorer(package.pipeline, manifest.task, columns, reason)
        return decide_labels(order_columns(plain, manifest.classes), manifest.decision)

    def list_pipeline_classes(self, pipeline: Pipeline) -> tuple[str, ...]:
        return order_classes(str(label) for label in pipeline.classes_)

    def toy_labels(self) -> tuple[Any, Any]:
        return "good", "bad"


PART = ClassScoring()
