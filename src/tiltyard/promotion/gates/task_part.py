"""What a decision between two versions needs of their task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tiltyard.data import Dataset
from tiltyard.evaluation import EvaluatedRows, FairnessReport, Grouping, IntervalCalibration
from tiltyard.evaluation.sequential_test import LiveVerdict
from tiltyard.ledger import Ledger
from tiltyard.project import Project
from tiltyard.project.serving import ChallengerOptions
from tiltyard.registry import VersionInfo
from tiltyard.tasks import DecisionRule, TaskPart

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class LiveTest:
    """Two versions that are compared by the labels of live requests.

    Attributes:
        project: the project.
        options: how traffic is divided.
        ledger: where predictions and labels are.
        champion: the version in service.
        challenger: the version that is tried.
        since: since when the champion is in service; None where that is not known.
    """

    project: Project
    options: ChallengerOptions
    ledger: Ledger
    champion: VersionInfo
    challenger: str
    since: datetime | None


class TaskPromotion(TaskPart):
    """Decisions between versions of a task.

    Attributes:
        compares_rates: whether groups of people are compared by the rates of labels, for which fairlearn is needed;
            else they are slices, whose errors are compared.
    """

    compares_rates: bool

    @abstractmethod
    def predict_rows(self, pipeline: Any, rows: Dataset, rule: DecisionRule | None) -> Any:
        """What a fitted pipeline predicts for rows, by the version's rule; see ``Predicted``."""

    @abstractmethod
    def measure_fairness(
        self,
        facts: EvaluatedRows,
        groupings: Sequence[Grouping],
        load_intervals: Callable[[], IntervalCalibration | None],
    ) -> FairnessReport:
        """How groups of people are treated, for the limits of ``promotion.fairness``.

        Args:
            facts: n labelled predictions.
            groupings: sensitive ways to divide these rows.
            load_intervals: gives what makes the intervals of the version's numbers.
        """

    @abstractmethod
    def weigh_labels(self, test: LiveTest) -> LiveVerdict:
        """What the labels of live requests say of two versions so far, anytime-valid.

        Raises:
            UsageError: they cannot be compared yet, with the reason.
        """
