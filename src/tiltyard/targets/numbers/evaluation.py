"""Figures of numbers."""

from __future__ import annotations

from collections.abc import Mapping

from tiltyard.evaluation.metrics.metric import NUMBER_METRICS, Metric
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.formatting import format_number


class NumberFigures(TaskEvaluation):
    """The ``TaskEvaluation`` of numbers."""

    predicted = "numbers"
    headline = "mae"
    shown: tuple[str, ...] = ("mae", "rmse", "r2")
    counts_rows = False
    guesses = ("mean", "median")
    metrics: Mapping[str, Metric] = NUMBER_METRICS

    def show_value(self, value: float) -> str:
        return format_number(value)

    def measure_size(self, value: float) -> float:
        return abs(value) or 1.0


PART = NumberFigures()
