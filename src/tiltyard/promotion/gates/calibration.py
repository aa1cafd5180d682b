"""Probabilities must mean what they say: below a limit, or no worse than the champion's."""

from __future__ import annotations

from tiltyard.evaluation import AnyEvaluation, Comparison
from tiltyard.jsonable import to_json_object
from tiltyard.promotion.gates.champion import numbers
from tiltyard.promotion.gates.verdict import GateResult

METRIC = "calibration_error"


def calibration_limit(limit: float, challenger: AnyEvaluation) -> GateResult:
    """Whether the expected calibration error stays at or below a limit."""
    value = challenger.metrics.get(METRIC)
    title = f"Calibration error at most {limit:g}"
    if value is None:
        why = challenger.not_computed.get(METRIC, "it was not computed")
        return GateResult(
            "gate.calibration",
            title,
            False,
            f"the calibration error is not known on these rows: {why}",
            "its calibration could not be checked",
            {"limit": limit},
        )
    passed = value <= limit
    return GateResult(
        "gate.calibration",
        title,
        passed,
        f"probabilities are off by {value:.4f} on the average, at most {limit:.4f} is required",
        "" if passed else "its probabilities are badly calibrated",
        {"value": value, "limit": limit},
    )


def calibration_gate(alpha: float, comparison: Comparison | None) -> GateResult:
    """Whether the calibration error is not significantly larger than the champion's, by the paired bootstrap."""
    title = f"Calibration not worse than the champion's (alpha {alpha:g})"
    if comparison is None:
        return GateResult(
            "gate.calibration-champion",
            title,
            False,
            "the calibration of the two cannot be compared: one of them gives no probabilities for these labels",
            "its calibration could not be checked",
        )
    # The p-value of a lead tells how rarely the challenger is ahead; the other tail is that of a loss.
    loss = comparison.p_value_two_sided / 2 if comparison.difference < 0 else 1.0
    passed = loss >= alpha
    return GateResult(
        "gate.calibration-champion",
        title,
        passed,
        f"{numbers(comparison, 'calibration error')}" + ("" if passed else f", p = {loss:.4f}"),
        "" if passed else "its probabilities are worse calibrated than the champion's",
        {**to_json_object(comparison), "alpha": alpha, "p_value_of_loss": loss},
    )
