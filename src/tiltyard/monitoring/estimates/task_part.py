"""What watching a version needs of its task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.drift.extrapolation import Extrapolation
from tiltyard.findings import Finding
from tiltyard.ledger import Label, Prediction
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.prediction_window import PredictionWindow
from tiltyard.project import MonitoringSection
from tiltyard.tasks import TARGETS, USUAL_TARGET, TaskPart


@dataclass(frozen=True)
class LoggedPrediction:
    """What a Python caller gives for a prediction.

    Attributes:
        prediction: the label or the number.
        confidence: probability of the label.
        probabilities: probability of each label.
        interval: the two ends of a number's interval.
        classes: the classes of the version; none where they are not known.
    """

    prediction: Any
    confidence: Any = None
    probabilities: Mapping[str, float] | None = None
    interval: Sequence[float | None] | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ErrorWords:
    """How a finding speaks of errors.

    Attributes:
        metric: what the finding is about.
        what: what rose.
        measure: in what unit it is given.
    """

    metric: str
    what: str
    measure: str


@dataclass(frozen=True)
class MeasuredErrors:
    """The errors of labelled predictions, n values from 0 to 1.

    Attributes:
        values: they.
        cap: what 1 stands for in the unit of the label; None where it stands for a wrong label.
    """

    values: NDArray[np.float64]
    cap: float | None = None


class TaskMonitoring(TaskPart):
    """The watching of versions of a task.

    Attributes:
        words: how findings speak of errors.
    """

    words: ErrorWords

    @abstractmethod
    def make_basis(
        self, monitored: MonitoredVersion, positive: str | None, min_rows: int, extrapolation: Extrapolation
    ) -> Any:
        """What the performance of a version is estimated from without labels; see ``EstimateBasis``.

        Raises:
            ArtifactError: what the version carries for it cannot be read.
        """

    @abstractmethod
    def measure_errors(self, labelled: Sequence[tuple[Prediction, Label]], error: float | None) -> MeasuredErrors | str:
        """The errors of n labelled predictions, or why they cannot be measured.

        Args:
            labelled: predictions and their labels.
            error: the mean absolute error at training; None where that is not known.
        """

    @abstractmethod
    def describe_rate(self, rate: float, errors: MeasuredErrors) -> str:
        """A mean error in the words of a finding."""

    @abstractmethod
    def measure_loss(self, rate: float, before: float) -> float:
        """How much worse a mean error is than one before, as a share."""

    @abstractmethod
    def find_residuals(
        self,
        labelled: PredictionWindow,
        monitored: MonitoredVersion,
        limits: MonitoringSection,
        group_key: str | None,
    ) -> list[Finding]:
        """What the residuals of a window show against those of the training; none where there are no residuals."""

    @abstractmethod
    def suits_logged(self, given: LoggedPrediction) -> bool:
        """Whether what a caller logs of an unknown version looks like a prediction of this."""

    @abstractmethod
    def read_logged(self, given: LoggedPrediction) -> dict[str, Any]:
        """The fields of a recorded prediction.

        Raises:
            InputError: a value is not what it has to be.
        """

    @abstractmethod
    def read_logged_truth(self, actual: Any, classes: tuple[str, ...]) -> str:
        """A true label as the ledger keeps it.

        Raises:
            InputError: it says nothing, or is nothing that can be predicted.
        """


def find_logged_target(given: LoggedPrediction) -> TaskMonitoring:
    """What a prediction of an unknown version is of: of the first target that is not the usual one, and suits it."""
    others = [TaskMonitoring.find_for_target(target) for target in TARGETS if target != USUAL_TARGET]
    return next((found for found in others if found.suits_logged(given)), TaskMonitoring.find_for_target(USUAL_TARGET))
