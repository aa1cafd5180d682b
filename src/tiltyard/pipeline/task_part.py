"""What drafting, training, adoption and the watch over a new champion need of a task."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tiltyard.evaluation.sequential_test import UnitRows
from tiltyard.ledger.records import CALLER, REQUEST
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.tasks import TaskPart

ComparedLabel = tuple[str, str, str, str | None]
"""Of a row the new version's prediction, the previous one's, the label, and the unit."""


@dataclass(frozen=True)
class WeighedLabels:
    """What labelled rows say for the previous version against the new one.

    Attributes:
        evidence: the e-value for the previous one.
        of_previous: its part, in words.
        of_new: the new one's, in words.
        figures: both as figures.
        loss: the loss that ``needed`` is about, in words.
        needed: how many requests, callers or groups like these would show it; None where that is not known.
    """

    evidence: float
    of_previous: str
    of_new: str
    figures: Mapping[str, float]
    loss: str
    needed: int | None


class TaskPipeline(TaskPart):
    """The pipeline of a task.

    Attributes:
        measured: what findings on a new champion are about.
    """

    measured: str

    @abstractmethod
    def suggest_floor(self, metric: str) -> str:
        """The commented line of a first project file that suggests a floor.

        Args:
            metric: the project's metric.
        """

    @abstractmethod
    def explain_incomparable(self, project: Project, workspace: Workspace, version: str) -> tuple[str, str] | None:
        """Why labels cannot be weighed for a version, and the next step; None where they can."""

    @abstractmethod
    def weigh_labels(
        self, compared: Sequence[ComparedLabel], workspace: Workspace, project: Project, version: str
    ) -> WeighedLabels:
        """What labelled rows say for the previous version.

        Args:
            compared: the rows.
            workspace: the ledger and the registry.
            project: the project.
            version: the previous version.
        """

    @abstractmethod
    def suits_column(self, predictions: pd.Series) -> bool:
        """Whether a column of predictions, without gaps, looks like this."""

    @abstractmethod
    def evaluate_columns(self, truth: pd.Series, predictions: pd.Series) -> dict[str, float]:
        """The metrics of two columns of n raw cells, none of them a gap."""


def name_compared_units(units: Sequence[str | None]) -> UnitRows:
    """The units of rows, of which those without a name are requests by themselves."""
    names = [f"{REQUEST}{place}" if unit is None else unit for place, unit in enumerate(units)]
    sizes = Counter(names)
    return UnitRows.from_names(names, [sizes[name] for name in names], CALLER)
