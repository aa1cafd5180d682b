"""What metrics and their comparison need of a task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from tiltyard.tasks import TaskPart


class TaskEvaluation(TaskPart):
    """The figures of a task.

    Attributes:
        predicted: what is predicted, in the plural.
        headline: the metric that every model of the task is shown by.
        shown: the metrics of an overview, with intervals.
        counts_rows: whether metrics without probabilities count rows, so that rows alike can be resampled at once.
        guesses: the kinds of guessing that a model has to beat; see ``GUESSES``.
        metrics: each ``Metric`` that is defined on what is predicted, by name.
    """

    predicted: str
    headline: str
    shown: tuple[str, ...]
    counts_rows: bool
    guesses: tuple[str, ...]
    metrics: Mapping[str, Any]

    @abstractmethod
    def show_value(self, value: float) -> str:
        """A metric's value for people."""

    @abstractmethod
    def measure_size(self, value: float) -> float:
        """In what unit differences of a metric count: 1 where it is a share, else its value."""
