"""Which label follows from which probabilities, and when the model abstains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tiltyard.tasks import DecisionRule

CLASSES = ("No", "Yes")
SHARES = st.floats(0, 1)


def decide(rule: DecisionRule, *positive: float) -> list[str]:
    """The labels at these probabilities of the second class."""
    probabilities = np.array([[1 - share, share] for share in positive])
    return [rule.classes[place] for place in rule.decide(probabilities)]


def test_the_positive_label_is_predicted_from_the_threshold_on() -> None:
    """At the threshold itself it is predicted, just below it is not; whichever class is the positive one."""
    rule = DecisionRule(classes=CLASSES, threshold=0.3, positive="Yes")
    assert decide(rule, 0.3, np.nextafter(0.3, 0), 0.9) == ["Yes", "No", "Yes"]
    other = DecisionRule(classes=CLASSES, threshold=0.75, positive="No")
    assert decide(other, 0.25, 0.26) == ["No", "Yes"]


def test_the_least_expected_cost_decides() -> None:
    """A miss that costs nine times a false alarm is avoided from a probability of one tenth on."""
    rule = DecisionRule(classes=CLASSES, costs=((0.0, 1.0), (9.0, 0.0)))
    assert decide(rule, 0.09, 0.11) == ["No", "Yes"]


@given(st.lists(st.lists(SHARES, min_size=3, max_size=3), min_size=1, max_size=20))
def test_equal_costs_predict_the_likeliest_label(rows: list[list[float]]) -> None:
    """If every mistake costs the same, the decision is that of no rule at all (ties by rounding aside)."""
    weights = np.array(rows) + 1e-6
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    rule = DecisionRule(classes=("a", "b", "c"), costs=tuple(tuple(map(float, row)) for row in 1 - np.eye(3)))
    chosen = probabilities[np.arange(len(rows)), rule.decide(probabilities)]
    assert np.allclose(chosen, probabilities.max(axis=1), atol=1e-12)


@given(st.permutations([0, 1, 2]), st.lists(st.lists(SHARES, min_size=3, max_size=3), min_size=1, max_size=9))
def test_a_rule_decides_alike_whatever_the_order_of_the_columns(order: list[int], rows: list[list[float]]) -> None:
    """Reordered with its columns, a rule names the same labels, and abstains on the same rows."""
    weights = np.array(rows) + 1e-3
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    costs = ((0.0, 2.0, 3.1), (4.7, 0.0, 1.3), (0.6, 1.9, 0.0))
    rule = DecisionRule(classes=("a", "b", "c"), costs=costs, abstain_cost=0.8)
    moved = rule.reorder([rule.classes[place] for place in order])
    expected = probabilities @ np.array(costs)
    distinct = np.sort(expected, axis=1)
    clear = distinct[:, 1] - distinct[:, 0] > 1e-9
    first = np.array(rule.classes)[rule.decide(probabilities)]
    second = np.array(moved.classes)[moved.decide(probabilities[:, order])]
    assert (first == second)[clear].all()
    near = np.abs(distinct[:, 0] - 0.8) < 1e-9
    assert (rule.abstains(probabilities) == moved.abstains(probabilities[:, order]))[~near].all()


def test_a_rule_is_spelt_as_the_rows_spell_their_labels() -> None:
    """The positive label follows the spelling; the threshold stays its own."""
    rule = DecisionRule(classes=CLASSES, threshold=0.3, positive="Yes")
    spelt = rule.reorder(("yes", "no"), {"No": "no", "Yes": "yes"})
    assert (spelt.classes, spelt.positive) == (("yes", "no"), "yes")
    assert [spelt.classes[place] for place in spelt.decide(np.array([[0.35, 0.65]]))] == ["yes"]


def test_the_model_abstains_below_its_limit_only() -> None:
    """The limit is on the likeliest label, and at the limit itself it does not."""
    rule = DecisionRule(classes=CLASSES, abstain_below=0.7)
    assert rule.abstains(np.array([[0.7, 0.3], [0.69, 0.31], [0.2, 0.8]])).tolist() == [False, True, False]
    assert decide(rule, 0.31) == ["No"]
    costly = DecisionRule(classes=CLASSES, costs=((0.0, 1.0), (9.0, 0.0)), abstain_cost=0.5)
    assert costly.abstains(np.array([[0.95, 0.05], [0.8, 0.2], [0.4, 0.6]])).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": ("a", "b", "c"), "threshold": 0.5, "positive": "a"},
        {"classes": CLASSES, "threshold": 0.5, "positive": "maybe"},
        {"classes": CLASSES, "costs": ((0.0, 1.0),)},
    ],
)
def test_a_rule_that_does_not_fit_its_classes_is_refused(wrong: dict[str, object]) -> None:
    """A stored rule that was changed by hand does not decide anything."""
    with pytest.raises(ValidationError):
        DecisionRule.model_validate(wrong)
