"""What the pages of the console need of a task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tiltyard.ledger import Prediction, PredictionStats
from tiltyard.tasks import TaskPart


@dataclass(frozen=True)
class PageWords:
    """The titles of a page.

    Attributes:
        values: of the card of predicted values.
        spread: of the card of their spread, or of the confidence.
        value: of the column of predicted values.
        certainty: of the column of what says how sure a prediction is.
    """

    values: str
    spread: str
    value: str
    certainty: str


class TaskConsole(TaskPart):
    """The pages of a task.

    Attributes:
        words: the titles.
        has_sets: whether a person can ask for prediction sets.
        has_probabilities: whether a prediction has a probability for each value that it may be.
    """

    words: PageWords
    has_sets: bool
    has_probabilities: bool

    @abstractmethod
    def list_numbers(self, latest: Sequence[Prediction]) -> tuple[float, ...]:
        """The finite numbers that were predicted; none where classes were."""

    @abstractmethod
    def count_values(self, stats: PredictionStats) -> PredictionStats:
        """The summary with predictions counted by what the page draws as one series."""

    @abstractmethod
    def count_bins(self, latest: Sequence[Prediction]) -> pd.DataFrame:
        """Counts of predictions by confidence or value: columns ``low``, ``high``, ``label`` and ``count``."""

    @abstractmethod
    def draw_values(self, view: Any, colors: Mapping[str, str]) -> tuple[Any, str, Any]:
        """The picture of the spread, its words, and the table of values, of a ``PredictionsView``."""

    @abstractmethod
    def summarise(self, view: Any) -> tuple[str, str, str]:
        """A title, a figure and a note that sum up a ``PredictionsView``."""

    @abstractmethod
    def show_value(self, label: str) -> str:
        """A recorded prediction for people."""

    @abstractmethod
    def sum_up_trial(self, predictions: Sequence[Any]) -> tuple[tuple[str, str], tuple[str, str]]:
        """What was predicted and how sure it is, each a title and a text, of one or more ``TrialPrediction``."""

    @abstractmethod
    def draw_trial(self, predictions: Sequence[Any]) -> tuple[Any, str] | None:
        """The picture of the probabilities and its words; None where there are none."""
