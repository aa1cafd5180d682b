"""Performance without labels, by what a version predicts: classes from confidence, numbers by a model of the error."""

from __future__ import annotations

from collections.abc import Sequence

from tiltyard.drift.extrapolation import Extrapolation
from tiltyard.monitoring.estimates.cbpe import (
    BLIND_SPOT,
    ESTIMATED,
    MOST_ROWS,
    CbpeBasis,
    Estimate,
    estimate_performance,
)
from tiltyard.monitoring.estimates.direct_loss import BLIND_SPOT as ERROR_BLIND_SPOT
from tiltyard.monitoring.estimates.direct_loss import ErrorBasis, ErrorEstimate, estimate_errors
from tiltyard.monitoring.estimates.task_part import TaskMonitoring
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.monitoring.prediction_window import PredictionWindow

EstimateBasis = CbpeBasis | ErrorBasis
"""What an estimate rests on."""


def make_basis(
    monitored: MonitoredVersion, positive: str | None, min_rows: int, extrapolation: Extrapolation
) -> EstimateBasis:
    """What the performance of a version is estimated from.

    Args:
        monitored: the version.
        positive: the label that counts as positive.
        min_rows: with fewer predictions nothing is estimated.
        extrapolation: how far the inputs of the predictions are from those of its training.

    Raises:
        ArtifactError: its model of the errors cannot be read.
    """
    found: EstimateBasis = TaskMonitoring.find_for_target(monitored.target).make_basis(
        monitored, positive, min_rows, extrapolation
    )
    return found


def estimate_window(
    window: PredictionWindow,
    basis: EstimateBasis,
    metric: str,
    *,
    names: Sequence[str] = ESTIMATED,
    most: int = MOST_ROWS,
) -> Estimate:
    """Estimate the performance of one version's predictions.

    Args:
        window: predictions; those of other versions are left out.
        basis: what the estimate rests on.
        metric: the project's own metric.
        names: metrics of classes to estimate; of numbers these are always ``mae`` and ``rmse``.
        most: predictions that the estimate is made from; of more, every k-th.
    """
    if isinstance(basis, ErrorBasis):
        return estimate_errors(window, basis, most=most)
    return estimate_performance(window, basis, metric, names=names, most=most)


def describe_blind_spot(estimate: Estimate | None) -> str:
    """What an estimate cannot see, in a sentence; empty where nothing was estimated."""
    if estimate is None or not estimate.figures:
        return ""
    return ERROR_BLIND_SPOT if isinstance(estimate, ErrorEstimate) else BLIND_SPOT
