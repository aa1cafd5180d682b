"""Verdicts about rows that belong together."""

from __future__ import annotations

import numpy as np

from tiltyard.evaluation import compare, evaluate_predictions, get_metric, label_predictions
from tiltyard.project import PromotionSection
from tiltyard.promotion.gate_run import _count_differing
from tiltyard.promotion.gates import GateInputs, guess_gate, run_gates


def test_a_verdict_names_the_groups_that_would_suffice() -> None:
    """Where the lead may be chance, it says how many groups of such a size would show it, and which level is used."""
    random, clusters = np.random.default_rng(0), np.repeat(np.arange(40), 10)
    truth = np.array(["no", "yes"])[random.integers(0, 2, 400)]
    wrong = [random.random(40)[clusters] < share for share in (0.3, 0.25)]
    first, second = (
        label_predictions(
            truth, np.where(miss, np.where(truth == "no", "yes", "no"), truth), None, ("no", "yes"), clusters=clusters
        )
        for miss in wrong
    )
    comparison = compare(get_metric("accuracy"), first, second)
    section = PromotionSection()
    verdict = run_gates(
        section, evaluate_predictions(second), evaluate_predictions(first), comparison, metric="accuracy"
    )
    assert comparison.difference > 0
    gate = verdict.gates[0]
    assert gate.reason == "the lead may be chance"
    needed = gate.evidence["groups_needed"]
    assert needed > 40
    assert f"takes about {needed:,} groups ({gate.evidence['rows_needed']:,} rows)" in gate.message
    assert _count_differing(get_metric("accuracy"), first, second) == int(np.sum(wrong[0][::10] != wrong[1][::10]))


def test_few_groups_make_no_first_champion() -> None:
    """Four groups that are all predicted right may be luck, however many rows they have."""
    clusters = np.repeat(np.arange(4), 100)
    truth = np.array(["no", "yes"])[clusters % 2]
    sure = np.where(truth == "yes", 0.9, 0.1)
    labelled = label_predictions(truth, truth, np.column_stack([1 - sure, sure]), ("no", "yes"), clusters=clusters)
    gate = guess_gate(PromotionSection(), "accuracy", labelled, 0)
    assert not gate.passed
    assert gate.reason == "its lead over always guessing may be chance"
    assert (
        run_gates(
            PromotionSection(),
            evaluate_predictions(labelled),
            None,
            None,
            metric="accuracy",
            inspection=GateInputs(guess=gate),
        ).reason
        == gate.reason
    )
