"""Whether the errors of predicted numbers are distributed as they were at training: drift of the residuals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import ArtifactError
from tiltyard.evaluation.resampling.error_units import arrange_stream
from tiltyard.findings import Finding, could_not_judge
from tiltyard.formatting import choose_form, format_count, format_number
from tiltyard.ledger.sql.outcomes import name_unit
from tiltyard.monitoring.prediction_window import PredictionWindow
from tiltyard.project import MonitoringSection
from tiltyard.registry.package.holdout_predictions import HoldoutNumbers

RESIDUALS = "performance.residuals"

LEAST_DISTANCE = 0.1
"""Largest difference of the two distributions that is too small for a finding."""

_HELD_OUT_ROWS = 30


def residual_findings(
    window: PredictionWindow, held_out: bytes | None, limits: MonitoringSection, group_key: str | None = None
) -> list[Finding]:
    """The finding on the residuals (true less predicted number) of labelled predictions against those of the training.

    The test of Kolmogorov and Smirnov, of one row for each request, caller or group where their rows are missed alike.
    Errors may move to one side, or grow and shrink at once, while their mean size stays as it is.

    Args:
        window: predictions of one version, with the labels that are known.
        held_out: the version's file of held-out rows; None where it has none.
        limits: the project's ``[monitoring]``.
        group_key: under which key of a recorded input its group stands; None where the project has no groups.
    """
    from scipy.stats import ks_2samp  # noqa: PLC0415 - monitoring of classes does without

    period = (window.since, window.until)
    try:
        reference = None if held_out is None else HoldoutNumbers.from_bytes(held_out)
    except ArtifactError as error:
        return [could_not_judge(RESIDUALS, "residual", error.message, error.next_step, window=period)]
    if reference is None or len(reference) < _HELD_OUT_ROWS:
        why = f"The version has fewer than {_HELD_OUT_ROWS} held-out rows to compare its residuals with."
        return [could_not_judge(RESIDUALS, "residual", why, window=period)]
    now = _find_residuals(window, group_key)
    if len(now) < limits.min_rows:
        few = choose_form(len(now), "is", "are")
        why = (
            f"{format_count(len(now), 'labelled prediction')} {few} too few to compare residuals; {limits.min_rows:,} "
        )
        return [could_not_judge(RESIDUALS, "residual", f"{why}are needed.", window=period)]
    before = reference.truth - reference.predicted
    outcome = ks_2samp(before, now)
    distance, p_value = float(outcome.statistic), float(outcome.pvalue)
    found = p_value < limits.false_alarm_rate and distance > LEAST_DISTANCE
    means = format_number(float(now.mean())), format_number(float(before.mean()))
    spreads = format_number(_spread(now)), format_number(_spread(before))
    return [
        Finding(
            RESIDUALS,
            "warning" if found else "info",
            "residual",
            score=distance,
            limit=LEAST_DISTANCE,
            message=f"The residuals of {format_count(len(now), 'labelled prediction')} have the mean {means[0]} and "
            f"the middle half within {spreads[0]}, against {means[1]} and {spreads[1]} at training: the distributions "
            f"differ by up to {distance:.1%} of the rows (p = {p_value:.3g}).",
            evidence={
                "statistic": distance,
                "p_value": p_value,
                "rows": len(now),
                "reference_rows": len(before),
                "mean": float(now.mean()),
                "reference_mean": float(before.mean()),
                "middle_half": _spread(now),
                "reference_middle_half": _spread(before),
            },
            since=period[0],
            until=period[1],
            status="found" if found else "clear",
            next_step="Find out what changed in what the numbers depend on, and retrain with the new labels: "
            "tiltyard retrain."
            if found
            else "",
        )
    ]


def _find_residuals(window: PredictionWindow, group_key: str | None) -> NDArray[np.float64]:
    """True less predicted numbers of rows; where those of a unit come together, of the first row of each."""
    known = [(row, window.truth[row.id]) for row in window.predictions if row.id in window.truth]
    known = [(row, label) for row, label in known if row.confidence is None]
    residuals = np.array([float(label.label) - float(row.label) for row, label in known], dtype=np.float64)
    if not len(residuals):
        return residuals
    stream = arrange_stream(residuals, [name_unit(row.unit, row.input, row.project, group_key) for row, _ in known])
    return residuals[stream.first] if stream.by_unit else residuals


def _spread(residuals: NDArray[np.float64]) -> float:
    low, high = np.quantile(residuals, [0.25, 0.75])
    return float(high - low)
