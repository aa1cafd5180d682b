"""A champion against always guessing: the first one, and one that follows a champion which does not beat it."""

from __future__ import annotations

from dataclasses import replace

from tiltyard.errors import DataError
from tiltyard.evaluation import (
    GUESSES,
    Comparison,
    EvaluatedRows,
    GuessBaseline,
    compare,
    get_metric,
    guess_baseline,
    guessing_p_value,
)
from tiltyard.jsonable import to_json_object
from tiltyard.project import PromotionSection
from tiltyard.promotion.gates.alpha_spending import Allowance
from tiltyard.promotion.gates.champion import numbers, show_p_value, spending_evidence
from tiltyard.promotion.gates.inspection import NOT_INSPECTED, GateInputs
from tiltyard.promotion.gates.verdict import GateResult

METHOD = "permutation of the predictions"
METHOD_OF_GROUPS = "permutation of the predictions, and the excess over guessing by groups"
TITLE_AFTER = "Better than always guessing (the champion is not)"
TITLE = "Better than always guessing (there is no champion yet)"


def guess_gate(
    promotion: PromotionSection,
    metric_name: str,
    labelled: EvaluatedRows,
    seed: int,
    inspection: GateInputs = NOT_INSPECTED,
) -> GateResult:
    """Whether a first champion beats always guessing, by the project's metric and rule.

    Its metric has to be better than that of both guesses (``guess_baseline``), and, but under the rule ``better``, by
    more than chance: predictions that know nothing of their rows would reach it with a probability below the level
    that this decision may use of ``alpha`` (``guessing_p_value``).

    Args:
        promotion: the project's ``[promotion]``.
        metric_name: the metric by which versions are compared.
        labelled: the version's predictions for the test rows.
        seed: of everything random.
        inspection: what the decision may use of alpha.
    """
    allowance = inspection.allowance or Allowance(promotion.alpha, promotion.alpha)
    metric = get_metric(metric_name)
    guess = guess_baseline(metric, labelled, seed=seed)
    if guess.best is None:
        return _uncomparable(f"{metric.title.lower()} is not defined on guesses for these rows")
    try:
        comparison = compare(metric, guess.predictions[guess.best], labelled, seed=seed)
        p_value = guessing_p_value(metric, labelled, alpha=allowance.level, seed=seed)
    except (DataError, ValueError) as error:
        return _uncomparable(str(error).rstrip("."))
    method = METHOD if labelled.clusters is None else METHOD_OF_GROUPS
    found = replace(comparison, method=method, p_value=p_value)
    return _evaluate(promotion, guess, found, metric.title.lower(), replace(inspection, allowance=allowance))


def guess_gate_after(
    promotion: PromotionSection,
    metric_name: str,
    champion: EvaluatedRows,
    challenger: EvaluatedRows,
    seed: int,
) -> GateResult | None:
    """Whether a challenger beats always guessing, where the champion that it meets does not, as one by force.

    To be better than such a champion means nothing.

    Args:
        promotion: the project's ``[promotion]``.
        metric_name: the metric by which versions are compared.
        champion: the champion's predictions for the test rows.
        challenger: the challenger's, for the same rows.
        seed: of everything random.

    Returns:
        The gate; None where the champion beats guessing, or cannot be compared with it.
    """
    before = guess_gate(promotion, metric_name, champion, seed)
    if before.passed or "why" in before.evidence:
        return None
    found = guess_gate(promotion, metric_name, challenger, seed)
    return replace(found, code="gate.guessing", title=TITLE_AFTER)


def _evaluate(
    promotion: PromotionSection, guess: GuessBaseline, comparison: Comparison, title: str, inspection: GateInputs
) -> GateResult:
    significant = promotion.rule != "better"
    allowance = inspection.allowance or Allowance(promotion.alpha, promotion.alpha)
    passed = comparison.difference > 0 and (not significant or comparison.p_value < allowance.level)
    found = numbers(comparison, title, "guessing's ")
    found += f", {show_p_value(comparison.p_value)} {allowance.about}" if significant else ""
    found += f"; the guess: {GUESSES[guess.best]}" if guess.best else ""
    reason = ""
    if not passed:
        found += ". Add rows or columns that tell the labels apart, or overrule the gates: "
        found += "tiltyard promote VERSION --force --reason …"
        reason = "not better than always guessing"
        if comparison.difference > 0:
            reason = "its lead over always guessing may be chance"
    evidence = {
        **to_json_object(comparison),
        **spending_evidence(allowance, inspection),
        "guess": to_json_object(guess),
    }
    return GateResult("gate.first", TITLE, passed, found, reason, evidence)


def _uncomparable(why: str) -> GateResult:
    return GateResult(
        "gate.first",
        TITLE,
        False,
        f"the version cannot be compared with always guessing: {why}. Add test rows, or choose another metric",
        "it cannot be compared with always guessing",
        {"why": why},
    )
