"""What train shows of a version's analysis."""

from __future__ import annotations

import pytest

from tiltyard.cli.training.analysis_tables import print_analysis
from tiltyard.evaluation import Importance, compare_importance, evaluate
from tiltyard.evaluation.importance import FeatureWeight
from tiltyard.promotion.model_analysis import ModelAnalysis


def measure(steady: float) -> Importance:
    """Two columns; the shuffles of the second do not agree."""
    weights = FeatureWeight("steady", steady, 0.001), FeatureWeight("noisy", 1 - steady, 0.9)
    return Importance("permutation", "loss of accuracy", 100, weights)


def test_columns_and_changes_within_chance_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The confusion matrix, and of columns and their changes those beyond chance, are shown."""
    evaluation = evaluate(["no", "no", "yes"], ["no", "yes", "yes"], None, ("no", "yes"), "yes")
    change = compare_importance(measure(0.4), measure(0.5))
    print_analysis(evaluation, ModelAnalysis(None, None, None, measure(0.5), change))
    shown = capsys.readouterr().out
    assert [line.split() for line in shown.splitlines() if line.startswith(("no ", "yes "))] == [
        ["no", "1", "1"],
        ["yes", "0", "1"],
    ]
    assert "steady  0.5000  0.0010" in shown
    assert "0.4000" in shown
    assert "noisy" not in shown


def test_no_clear_change_is_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing changed, the output says so."""
    evaluation = evaluate(["no", "yes"], ["no", "yes"], None, ("no", "yes"), "yes")
    change = compare_importance(measure(0.5), measure(0.5))
    print_analysis(evaluation, ModelAnalysis(None, None, None, measure(0.5), change))
    assert "Change from the champion: none" in capsys.readouterr().out
