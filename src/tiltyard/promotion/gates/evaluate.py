"""From evaluations and an inspection to a verdict: a pure function."""

from __future__ import annotations

from collections.abc import Iterator

from tiltyard.errors import UsageError
from tiltyard.evaluation import AnyEvaluation, Comparison, get_metric
from tiltyard.project import PromotionSection
from tiltyard.promotion.gates.calibration import calibration_gate, calibration_limit
from tiltyard.promotion.gates.champion import champion_gate
from tiltyard.promotion.gates.cost import latency_limit, size_limit
from tiltyard.promotion.gates.data import data_limit
from tiltyard.promotion.gates.fairness import fairness_limit
from tiltyard.promotion.gates.floors import floor_gate
from tiltyard.promotion.gates.inspection import NOT_INSPECTED, GateInputs
from tiltyard.promotion.gates.live import live_gate
from tiltyard.promotion.gates.slices import slice_gate
from tiltyard.promotion.gates.verdict import GateResult, Verdict, make_verdict


def run_gates(
    promotion: PromotionSection,
    challenger: AnyEvaluation,
    champion: AnyEvaluation | None,
    comparison: Comparison | None,
    *,
    metric: str,
    inspection: GateInputs = NOT_INSPECTED,
) -> Verdict:
    """Let a challenger through the gates of a project.

    Args:
        promotion: the project's ``[promotion]``.
        challenger: the challenger on the test rows.
        champion: the champion on the same rows; None if there is none, then only what the challenger shows by itself
            counts, and that it beats always guessing.
        comparison: the two on the same rows, by ``metric``; needed where there is a champion.
        metric: metric by which versions are compared.
        inspection: what else is known, and without a champion how the challenger compares with guessing; a gate that
            is required and finds nothing here refuses, but those of slices and of the live challenge, which are on by
            default and evaluate only what there is.

    Raises:
        UsageError: a floor names an unknown metric, or the comparison (with champion or guess) is missing.
    """
    gates = standalone_gates(promotion, challenger, inspection)
    if champion is None:
        if inspection.guess is None:
            raise UsageError(
                "A first champion was not compared with always guessing.", next_step="Compare the two on the same rows."
            )
        return make_verdict([*gates, inspection.guess])
    if comparison is None:
        raise UsageError("A champion was given without a comparison.", next_step="Compare the two on the same rows.")
    guess = [] if inspection.guess is None else [inspection.guess]
    return make_verdict(
        [
            *gates,
            champion_gate(promotion, comparison, get_metric(metric).title.lower(), inspection),
            *guess,
            *_comparative_inspections(promotion, inspection),
        ]
    )


def standalone_gates(
    promotion: PromotionSection, challenger: AnyEvaluation, inspection: GateInputs
) -> list[GateResult]:
    """The gates that a challenger passes or not, whichever version is champion.

    Raises:
        UsageError: a floor names an unknown metric.
    """
    return [*_standalone_inspections(promotion, challenger, inspection)]


def _standalone_inspections(
    promotion: PromotionSection, challenger: AnyEvaluation, inspection: GateInputs
) -> Iterator[GateResult]:
    for name, least in sorted(promotion.floors.items()):
        yield floor_gate(name, least, challenger)
    if promotion.calibration_error is not None:
        yield calibration_limit(promotion.calibration_error, challenger)
    for measure, limit in sorted(promotion.fairness.items()):
        yield fairness_limit(measure, limit, inspection.fairness)
    if promotion.latency_ms is not None:
        yield latency_limit(promotion.latency_ms, inspection.cost)
    if promotion.size_mb is not None:
        yield size_limit(promotion.size_mb, inspection.cost)
    if promotion.data_findings != "error":
        yield data_limit(promotion.data_findings, inspection.findings)


def _comparative_inspections(promotion: PromotionSection, inspection: GateInputs) -> Iterator[GateResult]:
    if promotion.slices == "not-worse" and inspection.slices is not None:
        yield slice_gate(promotion, inspection)
    if promotion.calibration == "not-worse":
        yield calibration_gate(promotion.slice_alpha, inspection.calibration)
    if promotion.live == "wins" or (promotion.live == "not-worse" and inspection.live is not None):
        yield live_gate(promotion.live, inspection.live)
