"""What a version costs as it is served: time for a prediction, and size."""

from __future__ import annotations

from tiltyard.formatting import format_count
from tiltyard.jsonable import to_json_object
from tiltyard.promotion.gates.inspection import Cost
from tiltyard.promotion.gates.verdict import GateResult


def latency_limit(limit: float, cost: Cost | None) -> GateResult:
    """Whether a single prediction takes at most so many milliseconds."""
    title = f"A prediction takes at most {limit:g} ms"
    if cost is None or cost.latency_ms is None:
        return GateResult(
            "gate.latency",
            title,
            False,
            "the version has no sample rows to measure it by: train it with Tiltyard",
            "its latency could not be measured",
            {"limit_ms": limit},
        )
    passed = cost.latency_ms <= limit
    return GateResult(
        "gate.latency",
        title,
        passed,
        f"19 of 20 sample rows are predicted within {cost.latency_ms:.3f} ms, half within {cost.median_ms:.3f} ms "
        f"({cost.scorer}, {format_count(cost.rows, 'row')}); at most {limit:g} ms is required",
        "" if passed else "it predicts too slowly",
        {**to_json_object(cost), "limit_ms": limit},
    )


def size_limit(limit: float, cost: Cost | None) -> GateResult:
    """Whether the version's files take at most so many megabytes."""
    title = f"At most {limit:g} MB"
    if cost is None:
        return GateResult(
            "gate.size", title, False, "its files were not fetched", "its size is not known", {"limit_mb": limit}
        )
    passed = cost.size_mb <= limit
    return GateResult(
        "gate.size",
        title,
        passed,
        f"its files take {cost.size_mb:.2f} MB, at most {limit:g} MB is required",
        "" if passed else "it is too large",
        {"size_mb": cost.size_mb, "limit_mb": limit},
    )
