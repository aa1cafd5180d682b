"""Watching regressors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tiltyard.drift.extrapolation import Extrapolation
from tiltyard.evaluation.sequential_test import CAP_ERRORS
from tiltyard.evaluation.sequential_test.numbers import share_errors
from tiltyard.findings import Finding
from tiltyard.formatting import format_number
from tiltyard.ledger import Label, Prediction
from tiltyard.monitoring.collection.logged_values import (
    is_number_given,
    read_interval,
    read_logged_number,
    refuse_values_of_classes,
)
from tiltyard.monitoring.estimates.direct_loss import ErrorBasis
from tiltyard.monitoring.estimates.error_model import ERROR_MODEL, read_error_model
from tiltyard.monitoring.estimates.task_part import ErrorWords, LoggedPrediction, MeasuredErrors, TaskMonitoring
from tiltyard.monitoring.labels.residuals import residual_findings
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.prediction_window import PredictionWindow
from tiltyard.project import MonitoringSection
from tiltyard.registry.package.holdout_predictions import HOLDOUT_NUMBERS


class NumberMonitoring(TaskMonitoring):
    """The ``TaskMonitoring`` of numbers."""

    words = ErrorWords("mae", "The error", "the mean error, each counted up to three times that of the training,")

    def make_basis(
        self, monitored: MonitoredVersion, positive: str | None, min_rows: int, extrapolation: Extrapolation
    ) -> Any:
        model = read_error_model(monitored.attachment(ERROR_MODEL))
        return ErrorBasis(monitored.version, model, monitored.table_schema, min_rows, extrapolation)

    def measure_errors(self, labelled: Sequence[tuple[Prediction, Label]], error: float | None) -> MeasuredErrors | str:
        if error is None or not np.isfinite(error) or error <= 0:
            return (
                "The version has no mean absolute error above 0 from its training, in whose measure errors are "
                "searched."
            )
        cap = CAP_ERRORS * error
        predicted = np.array([float(row.label) for row, _ in labelled])
        truth = np.array([float(label.label) for _, label in labelled])
        return MeasuredErrors(share_errors(np.abs(predicted - truth), cap), cap)

    def describe_rate(self, rate: float, errors: MeasuredErrors) -> str:
        return format_number(rate * (errors.cap or 1.0))

    def measure_loss(self, rate: float, before: float) -> float:
        return (rate - before) / max(before, 1e-12)

    def find_residuals(
        self,
        labelled: PredictionWindow,
        monitored: MonitoredVersion,
        limits: MonitoringSection,
        group_key: str | None,
    ) -> list[Finding]:
        return residual_findings(labelled, monitored.attachment(HOLDOUT_NUMBERS), limits, group_key)

    def suits_logged(self, given: LoggedPrediction) -> bool:
        return given.confidence is None and given.probabilities is None and is_number_given(given.prediction)

    def read_logged(self, given: LoggedPrediction) -> dict[str, Any]:
        refuse_values_of_classes(given.confidence, given.probabilities)
        label = read_logged_number(given.prediction, "prediction")
        return {"label": label, "interval": read_interval(given.interval)}

    def read_logged_truth(self, actual: Any, classes: tuple[str, ...]) -> str:
        return read_logged_number(actual, "actual")


PART = NumberMonitoring()
