"""Groups of people must be treated alike, within a limit."""

from __future__ import annotations

from tiltyard.evaluation import FairnessReport
from tiltyard.jsonable import to_json_object
from tiltyard.promotion.gates.verdict import GateResult


def fairness_limit(measure: str, limit: float, report: FairnessReport | None) -> GateResult:
    """Whether a measure of fairness keeps to its limit in every sensitive column.

    Args:
        measure: one of fairlearn's, such as ``demographic_parity_difference``, or of numbers ``mae_ratio`` and
            ``coverage_difference``; a ratio must be at least the limit.
        limit: the limit.
        report: how the groups are treated.
    """
    words = measure.replace("_", " ")
    is_ratio = measure.endswith("ratio")
    title = f"{words.capitalize()} {'at least' if is_ratio else 'at most'} {limit:g}"
    columns = report.columns if report else ()
    known = [(column.column, *column.worst[measure]) for column in columns if measure in column.worst]
    silent = [column.column for column in columns if measure not in column.worst]
    reasons = {part.not_judged[measure] for one in columns for part in one.labels if measure in part.not_judged}
    if not known or silent:
        what = f"of {', '.join(silent)} " if silent else ""
        return GateResult(
            "gate.fairness",
            title,
            False,
            f"the {words} {what}could not be checked: {'; '.join(sorted(reasons)) or 'no column is named'}",
            "fairness could not be checked",
            {"measure": measure, "limit": limit, "not_judged": silent},
        )
    column, label, worst = max(known, key=lambda part: (-1 if is_ratio else 1) * part[2].value)
    of_label = f", label {label}" if label else ""
    passed = worst.value >= limit if is_ratio else worst.value <= limit
    interval = f", 95 % interval {worst.interval.low:.3f} to {worst.interval.high:.3f}" if worst.interval else ""
    return GateResult(
        "gate.fairness",
        title,
        passed,
        f"{words} by {column} is {worst.value:.3f} ({worst.most} against {worst.least}{of_label}{interval}); "
        f"{'at least' if is_ratio else 'at most'} {limit:g} is required",
        "" if passed else f"groups of {column} are treated too differently",
        {"measure": measure, "limit": limit, "column": column, "label": label, **to_json_object(worst)},
    )
