"""The challenger against the champion, by the project's rule."""

from __future__ import annotations

from typing import Any

from tiltyard.evaluation import Comparison, get_metric
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.formatting import format_count, format_number
from tiltyard.jsonable import to_json_object
from tiltyard.project import PromotionSection
from tiltyard.promotion.gates.alpha_spending import Allowance
from tiltyard.promotion.gates.inspection import NOT_INSPECTED, GateInputs
from tiltyard.promotion.gates.verdict import GateResult

# A difference whose number of rows every verdict names: of a metric between 0 and 1, else a share of the champion's.
ONE_POINT = 0.01
# On fewer rows where just one is right, how often that happens is not known well enough to name a number of rows.
LEAST_DIFFERING = 10


def incomparable_gate(version: str, why: str) -> GateResult:
    """The champion cannot predict these rows, so nothing can be said of which is better.

    Args:
        version: the champion.
        why: what keeps it from predicting, as a clause.
    """
    return GateResult(
        "gate.comparable",
        "The champion can predict today's rows",
        False,
        f"the champion, version {version}, cannot predict the test rows: {why}. Bring the data back to what it was "
        "trained on, or set the alias by hand: tiltyard set-alias --reason …",
        "the champion cannot predict these rows",
        {"champion": version, "why": why},
    )


def champion_gate(
    promotion: PromotionSection, comparison: Comparison, title: str, inspection: GateInputs = NOT_INSPECTED
) -> GateResult:
    """What the project's rule says of a comparison.

    Args:
        promotion: the project's ``[promotion]``.
        comparison: champion and challenger on the same rows.
        title: the metric's.
        inspection: what the comparison may use of alpha, and on how many rows the two differ.
    """
    return _RULES[promotion.rule](promotion, comparison, title, inspection)


def _better(_promotion: PromotionSection, comparison: Comparison, title: str, _inspection: GateInputs) -> GateResult:
    passed = comparison.difference > 0
    return GateResult(
        "gate.better",
        "Better than the champion",
        passed,
        numbers(comparison, title),
        "" if passed else _not_ahead(comparison),
        to_json_object(comparison),
    )


def _significant(promotion: PromotionSection, comparison: Comparison, title: str, inspection: GateInputs) -> GateResult:
    allowance = inspection.allowance or Allowance(promotion.alpha, promotion.alpha)
    passed = comparison.difference > 0 and comparison.p_value < allowance.level
    needed = comparison.rows_needed(alpha=allowance.level)
    gain = _measure_one_point(comparison)
    one_point = comparison.rows_needed(alpha=allowance.level, difference=gain)
    reason, more = "", ""
    if not passed and comparison.difference > 0:
        reason = "the lead may be chance"
        more = f"; to tell such a lead from chance takes about {_show_rows(comparison, needed)}" if needed else ""
    elif not passed:
        reason = _not_ahead(comparison)
    differing = comparison.only_challenger_right + comparison.only_champion_right
    if not passed and one_point and differing >= LEAST_DIFFERING:
        more += f"; a true gain of {format_number(gain)} would show on about {_show_rows(comparison, one_point)}"
    return GateResult(
        "gate.significant",
        f"Significantly better than the champion (alpha {promotion.alpha:g})",
        passed,
        f"{numbers(comparison, title)}, {show_p_value(comparison.p_value)} {allowance.about}{more}",
        reason,
        {
            **to_json_object(comparison),
            **spending_evidence(allowance, inspection),
            "rows_needed": needed,
            "rows_for_one_point": one_point,
            **_groups_evidence(comparison, needed, one_point),
        },
    )


def _measure_one_point(comparison: Comparison) -> float:
    """One point of the metric; of a metric in the unit of the numbers that are predicted, a hundredth of its value."""
    evaluation = TaskEvaluation.find_for_target(get_metric(comparison.metric).target)
    return ONE_POINT * evaluation.measure_size(comparison.champion)


def _show_rows(comparison: Comparison, rows: int) -> str:
    groups = comparison.groups_needed(rows)
    shown = format_count(rows, "row")
    return shown if groups is None else f"{format_count(groups, 'group')} ({shown})"


def _groups_evidence(comparison: Comparison, needed: int | None, one_point: int | None) -> dict[str, Any]:
    if comparison.groups is None:
        return {}
    return {
        "groups_needed": comparison.groups_needed(needed),
        "groups_for_one_point": comparison.groups_needed(one_point),
    }


def show_p_value(p_value: float) -> str:
    """A p-value for people: four digits after the point, and of a smaller one its size."""
    return f"p = {p_value:.4f}" if p_value >= 0.00005 else f"p = {p_value:.0e}"


def spending_evidence(allowance: Allowance, inspection: GateInputs) -> dict[str, Any]:
    """What the record keeps of the level that a decision used, for the decisions after it."""
    # Of d rows, or groups, on which the two differ, the smallest p-value is that of a challenger that is right on all.
    out_of_reach = inspection.differing is not None and 0.5**inspection.differing >= allowance.level
    return {
        "alpha": allowance.alpha,
        "level": allowance.level,
        "decision": allowance.decision,
        "alpha_left": allowance.left,
        "spent": not out_of_reach,
        "rows_fingerprint": inspection.rows_fingerprint,
    }


def _non_inferior(
    promotion: PromotionSection, comparison: Comparison, title: str, _inspection: GateInputs
) -> GateResult:
    passed = comparison.low > -promotion.margin
    return GateResult(
        "gate.non-inferior",
        f"Not inferior to the champion (margin {promotion.margin:g})",
        passed,
        f"{numbers(comparison, title)}; the interval must stay above {-promotion.margin:g}",
        "" if passed else "it may be worse than the champion by more than the margin",
        {**to_json_object(comparison), "margin": promotion.margin},
    )


def numbers(comparison: Comparison, title: str, other: str = "") -> str:
    """The two values and their difference, for people; ``other`` names what stands in the champion's place."""
    groups = "" if comparison.groups is None else f" of {format_count(comparison.groups, 'group')}"
    return (
        f"{title} {comparison.challenger:.4f} against {other}{comparison.champion:.4f} on the same "
        f"{format_count(comparison.rows, 'row')}{groups} (difference {comparison.difference:+.4f}, "
        f"95 % interval {comparison.low:+.4f} to {comparison.high:+.4f})"
    )


def _not_ahead(comparison: Comparison) -> str:
    return "current champion is better" if comparison.difference < 0 else "current champion is better or equal"


_RULES = {"better": _better, "significant": _significant, "non-inferior": _non_inferior}
