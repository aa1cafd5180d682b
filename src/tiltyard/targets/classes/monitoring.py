"""Watching classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tiltyard.drift.extrapolation import Extrapolation
from tiltyard.findings import Finding
from tiltyard.ledger import Label, Prediction
from tiltyard.monitoring.collection.logged_values import read_logged_label, refuse_interval, require_confidence
from tiltyard.monitoring.estimates.cbpe import CbpeBasis
from tiltyard.monitoring.estimates.task_part import ErrorWords, LoggedPrediction, MeasuredErrors, TaskMonitoring
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.prediction_window import PredictionWindow
from tiltyard.project import MonitoringSection


class ClassMonitoring(TaskMonitoring):
    """The ``TaskMonitoring`` of classes."""

    words = ErrorWords("accuracy", "The error rate", "accuracy")

    def make_basis(
        self, monitored: MonitoredVersion, positive: str | None, min_rows: int, extrapolation: Extrapolation
    ) -> Any:
        return CbpeBasis(
            monitored.version,
            monitored.classes,
            monitored.held_out,
            positive,
            min_rows,
            extrapolation=extrapolation,
            rule=None if monitored.manifest is None else monitored.manifest.decision,
        )

    def measure_errors(self, labelled: Sequence[tuple[Prediction, Label]], error: float | None) -> MeasuredErrors | str:
        return MeasuredErrors(
            np.fromiter((row.label != label.label for row, label in labelled), np.float64, len(labelled))
        )

    def describe_rate(self, rate: float, errors: MeasuredErrors) -> str:
        return f"{1 - rate:.4f}"

    def measure_loss(self, rate: float, before: float) -> float:
        return (rate - before) / (1 - before)

    def find_residuals(
        self,
        labelled: PredictionWindow,
        monitored: MonitoredVersion,
        limits: MonitoringSection,
        group_key: str | None,
    ) -> list[Finding]:
        return []

    def suits_logged(self, given: LoggedPrediction) -> bool:
        return True

    def read_logged(self, given: LoggedPrediction) -> dict[str, Any]:
        label = read_logged_label(given.prediction, tuple(given.probabilities or ()) or given.classes, "prediction")
        share = require_confidence(given.confidence, given.prediction)
        refuse_interval(given.interval)
        known = {label: share} if given.probabilities is None else dict(given.probabilities)
        return {"label": label, "confidence": share, "probabilities": known}

    def read_logged_truth(self, actual: Any, classes: tuple[str, ...]) -> str:
        return read_logged_label(actual, classes, "actual")


PART = ClassMonitoring()
