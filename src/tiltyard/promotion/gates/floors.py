"""Floors: what a challenger must reach by itself, whichever version is champion."""

from __future__ import annotations

from tiltyard.evaluation import AnyEvaluation, get_metric
from tiltyard.promotion.gates.verdict import GateResult


def floor_gate(name: str, least: float, challenger: AnyEvaluation) -> GateResult:
    """Whether a metric reaches its floor; of a metric where less is better, stays below its ceiling.

    Raises:
        UsageError: there is no metric of that name.
    """
    metric = get_metric(name)
    value = challenger.metrics.get(name)
    if value is None:
        why = challenger.not_computed.get(name, "it was not computed")
        return GateResult(
            "gate.floor",
            f"{metric.title} floor",
            False,
            f"{metric.title.lower()} is not known on these rows: {why}",
            f"{name} could not be checked",
            {"metric": name, "limit": least},
        )
    passed = value >= least if metric.bigger_is_better else value <= least
    side = "at least" if metric.bigger_is_better else "at most"
    return GateResult(
        "gate.floor",
        f"{metric.title} floor",
        passed,
        f"{metric.title.lower()} {value:.4f}, {side} {least:.4f} is required",
        "" if passed else f"{name} misses its floor",
        {"metric": name, "value": value, "limit": least},
    )
