"""Gates: what a challenger must show before it answers users, as a pure function from evaluations to a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tiltyard.errors import UsageError
from tiltyard.evaluation import Comparison, Evaluation, get_metric
from tiltyard.project import PromotionSection


@dataclass(frozen=True)
class GateResult:
    """What one gate says.

    Attributes:
        code: stable name, such as ``gate.floor``.
        title: the rule, for people.
        passed: whether the challenger may go on.
        message: what was found, with the numbers.
        reason: the refusal in a few words; empty where it passed.
        evidence: the numbers.
    """

    code: str
    title: str
    passed: bool
    message: str
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What all gates together say.

    Attributes:
        promoted: whether every gate was passed.
        gates: what each said, in order.
    """

    promoted: bool
    gates: tuple[GateResult, ...]

    @property
    def reason(self) -> str:
        """Why not, in a few words; empty for a promotion."""
        return next((gate.reason for gate in self.gates if not gate.passed), "")

    @property
    def summary(self) -> str:
        """One line: the first refusal, or the last gate's finding, with the numbers."""
        refused = [gate for gate in self.gates if not gate.passed]
        return (refused or self.gates)[0 if refused else -1].message

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "promoted": self.promoted,
            "reason": self.reason,
            "summary": self.summary,
            "gates": [asdict(gate) for gate in self.gates],
        }


def judge(
    promotion: PromotionSection,
    challenger: Evaluation,
    champion: Evaluation | None,
    comparison: Comparison | None,
    *,
    metric: str,
) -> Verdict:
    """Let a challenger through the gates of a project.

    Args:
        promotion: the project's ``[promotion]``.
        challenger: the challenger on the test rows.
        champion: the champion on the same rows; None if there is none, then only the floors count.
        comparison: the two on the same rows, by ``metric``; needed where there is a champion.
        metric: metric by which versions are compared.

    Raises:
        UsageError: a floor names an unknown metric, or the comparison is missing.
    """
    gates = [_floor(name, least, challenger) for name, least in sorted(promotion.floors.items())]
    if champion is None:
        gates.append(GateResult("gate.first", "First champion", True, "there is no champion to beat"))
    elif comparison is None:
        raise UsageError("A champion was given without a comparison.", next_step="Compare the two on the same rows.")
    else:
        gates.append(_RULES[promotion.rule](promotion, comparison, get_metric(metric).title.lower()))
    return Verdict(all(gate.passed for gate in gates), tuple(gates))


def _floor(name: str, least: float, challenger: Evaluation) -> GateResult:
    metric = get_metric(name)
    value = challenger.metrics.get(name)
    if value is None:
        why = challenger.not_computed.get(name, "it was not computed")
        return GateResult(
            "gate.floor",
            f"{metric.title} floor",
            False,
            f"{metric.title.lower()} is not known on these rows: {why}",
            f"{name} could not be judged",
            {"metric": name, "limit": least},
        )
    passed = value >= least if metric.bigger_is_better else value <= least
    side = "at least" if metric.bigger_is_better else "at most"
    return GateResult(
        "gate.floor",
        f"{metric.title} floor",
        passed,
        f"{metric.title.lower()} {value:.4f}, {side} {least:.4f} is asked for",
        "" if passed else f"{name} misses its floor",
        {"metric": name, "value": value, "limit": least},
    )


def _better(_promotion: PromotionSection, comparison: Comparison, title: str) -> GateResult:
    passed = comparison.difference > 0
    return GateResult(
        "gate.better",
        "Better than the champion",
        passed,
        _numbers(comparison, title),
        "" if passed else _not_ahead(comparison),
        comparison.to_dict(),
    )


def _significant(promotion: PromotionSection, comparison: Comparison, title: str) -> GateResult:
    passed = comparison.difference > 0 and comparison.p_value < promotion.alpha
    needed = comparison.rows_needed(alpha=promotion.alpha)
    reason, more = "", ""
    if not passed and comparison.difference > 0:
        reason = "the lead may be chance"
        more = f"; to tell such a lead from chance takes about {needed:,} rows" if needed else ""
    elif not passed:
        reason = _not_ahead(comparison)
    return GateResult(
        "gate.significant",
        f"Significantly better than the champion (alpha {promotion.alpha:g})",
        passed,
        f"{_numbers(comparison, title)}, p = {comparison.p_value:.4f}{more}",
        reason,
        {**comparison.to_dict(), "alpha": promotion.alpha, "rows_needed": needed},
    )


def _non_inferior(promotion: PromotionSection, comparison: Comparison, title: str) -> GateResult:
    passed = comparison.low > -promotion.margin
    return GateResult(
        "gate.non-inferior",
        f"Not inferior to the champion (margin {promotion.margin:g})",
        passed,
        f"{_numbers(comparison, title)}; the interval must stay above {-promotion.margin:g}",
        "" if passed else "it may be worse than the champion by more than the margin",
        {**comparison.to_dict(), "margin": promotion.margin},
    )


def _not_ahead(comparison: Comparison) -> str:
    return "current champion is better" if comparison.difference < 0 else "current champion is better or equal"


def _numbers(comparison: Comparison, title: str) -> str:
    return (
        f"{title} {comparison.challenger:.4f} against {comparison.champion:.4f} on the same {comparison.rows:,} rows "
        f"(difference {comparison.difference:+.4f}, 95 % interval {comparison.low:+.4f} to {comparison.high:+.4f})"
    )


_RULES = {"better": _better, "significant": _significant, "non-inferior": _non_inferior}
