"""Figures of classes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tiltyard.evaluation.metrics.metric import COST_METRICS, METRICS, Metric
from tiltyard.evaluation.metrics.task_part import TaskEvaluation


class ClassFigures(TaskEvaluation):
    """The ``TaskEvaluation`` of classes."""

    predicted = "classes"
    headline = "accuracy"
    shown: tuple[str, ...] = ("accuracy", "precision", "recall", "f1", "f1_macro", "roc_auc", "log_loss")
    counts_rows = True
    guesses = ("majority", "stratified")
    metrics: Mapping[str, Metric] = MappingProxyType(METRICS | COST_METRICS)

    def show_value(self, value: float) -> str:
        return f"{value:.1%}"

    def measure_size(self, value: float) -> float:
        return 1.0


PART = ClassFigures()
