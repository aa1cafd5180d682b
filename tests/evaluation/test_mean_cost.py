"""The mean cost of decisions: what it counts, and how two versions are compared by it."""

from __future__ import annotations

import numpy as np
import pytest

from tiltyard.errors import DataError
from tiltyard.evaluation import (
    LabelledPredictions,
    bootstrap,
    compare,
    evaluate_rows,
    get_metric,
    guess_baseline,
    label_predictions,
)
from tiltyard.tasks import DecisionRule

COSTS = DecisionRule(classes=("No", "Yes"), costs=((0.0, 1.0), (9.0, 0.0)))
METRIC = get_metric("mean_cost")


def make_rows(
    rows: int, seed: int, *, rule: DecisionRule | None = COSTS, prices: DecisionRule | None = COSTS
) -> LabelledPredictions:
    """Probabilities that are right about themselves, decided by the rule."""
    random = np.random.default_rng(seed)
    share = random.beta(0.5, 2, rows)
    truth = np.where(random.random(rows) < share, "Yes", "No")
    probabilities = np.column_stack([1 - share, share])
    places = probabilities.argmax(axis=1) if rule is None else rule.decide(probabilities)
    return label_predictions(
        truth, np.array(["No", "Yes"])[places], probabilities, ("No", "Yes"), rule=rule, prices=prices
    )


def test_the_cost_is_that_of_the_decisions_that_users_see() -> None:
    """One false alarm at 1 and one miss at 9 among four rows are 2.5 a row."""
    rows = label_predictions(
        ["No", "No", "Yes", "Yes"], ["No", "Yes", "No", "Yes"], np.full((4, 2), 0.5), ("No", "Yes"), prices=COSTS
    )
    assert METRIC.compute(rows) == 2.5
    assert METRIC.weighted(rows, np.array([[1.0, 0, 0, 1], [0, 1, 1, 0], [0, 0, 3, 1]])).tolist() == [0.0, 5.0, 6.75]
    assert not METRIC.bigger_is_better


def test_abstaining_costs_what_the_project_states() -> None:
    """A row on which the model abstains costs neither the miss nor the alarm, but what a person's look costs."""
    rule = COSTS.model_copy(update={"abstain_cost": 0.4})
    probabilities = np.array([[0.99, 0.01], [0.5, 0.5], [0.01, 0.99]])
    assert rule.abstains(probabilities).tolist() == [False, True, False]
    rows = label_predictions(
        ["Yes", "No", "Yes"], ["No", "Yes", "Yes"], probabilities, ("No", "Yes"), rule=rule, prices=rule
    )
    assert METRIC.compute(rows) == pytest.approx((9 + 0.4 + 0) / 3)
    assert rows.take(np.array([1])).costs == pytest.approx([0.4])


def test_labels_in_any_order_and_more_of_them_cost_the_same() -> None:
    """The table is looked up by name; a label without a cost makes the metric undefined, and names it."""
    probabilities = np.array([[0.5, 0.2, 0.3], [0.1, 0.2, 0.7]])
    known = label_predictions(["Yes", "No"], ["No", "Yes"], probabilities, ("Yes", "Maybe", "No"), prices=COSTS)
    assert METRIC.compute(known) == 5.0
    unpriced = label_predictions(["Yes", "Maybe"], ["No", "Yes"], probabilities, ("Yes", "Maybe", "No"), prices=COSTS)
    assert METRIC.explain_undefined(unpriced) == "no cost is stated for 'Maybe'"


def test_without_costs_nobody_hears_of_it() -> None:
    """Evaluations without ``decision.costs`` are as before; requested by name, the metric says what is missing."""
    without = make_rows(50, 0, prices=None)
    found = evaluate_rows(without)
    assert "mean_cost" not in {**found.metrics, **found.not_computed}
    assert METRIC.explain_undefined(without) == "decision.costs states no costs"
    with pytest.raises(DataError, match=r"Mean cost is not defined on these rows: decision\.costs states no costs"):
        compare(METRIC, without, without)
    assert evaluate_rows(make_rows(50, 0)).metrics["mean_cost"] > 0


def test_deciding_by_costs_is_a_gain_that_the_paired_test_finds() -> None:
    """The likeliest label costs more by the same prices; the difference is positive for the cheaper version."""
    seen = compare(METRIC, make_rows(600, 1, rule=None), make_rows(600, 1), seed=3)
    assert seen.metric == "mean_cost"
    assert seen.challenger < seen.champion
    assert seen.difference == pytest.approx(seen.champion - seen.challenger)
    assert 0 < seen.low < seen.difference < seen.high
    assert seen.p_value < 0.01
    assert seen.only_challenger_right > 0
    back = compare(METRIC, make_rows(600, 1), make_rows(600, 1, rule=None), seed=3)
    assert back.difference == pytest.approx(-seen.difference)
    assert back.p_value > 0.9


def test_versions_that_cost_the_same_win_seldom() -> None:
    """Few rows with few and dear misses: an equal challenger wins in at most 5 % of 400 comparisons."""
    won = 0
    for run in range(400):
        random = np.random.default_rng([5, run])
        truth = np.where(random.random(80) < 0.1, "Yes", "No")
        first, second = (
            label_predictions(
                truth,
                np.where(random.random(80) < np.where(truth == "Yes", 0.6, 0.1), "Yes", "No"),
                np.full((80, 2), 0.5),
                ("No", "Yes"),
                prices=COSTS,
            )
            for _ in range(2)
        )
        seen = compare(METRIC, first, second, seed=run)
        won += seen.difference > 0 and seen.p_value < 0.05
    assert won <= 400 * 0.05 + 2 * (400 * 0.05 * 0.95) ** 0.5


def test_a_first_version_has_to_beat_the_cheapest_label() -> None:
    """Where a miss costs nine times an alarm, always Yes may cost less than always the frequent No."""
    rows = make_rows(400, 2)
    guess = guess_baseline(METRIC, rows)
    assert set(guess.values) == {"majority", "stratified", "cheapest"}
    assert guess.best == "cheapest"
    assert guess.values["cheapest"] == min(1.0 * (rows.labels == "No").mean(), 9.0 * (rows.labels == "Yes").mean())
    assert set(guess_baseline(get_metric("accuracy"), make_rows(400, 2, prices=None)).values) == {
        "majority",
        "stratified",
    }


def test_the_interval_holds_the_cost_that_was_measured() -> None:
    """The bootstrap's interval is about the value, and narrower on more rows."""
    few, many = (bootstrap(METRIC, make_rows(rows, 4)) for rows in (100, 3_000))
    assert few is not None
    assert many is not None
    assert few.low <= METRIC.compute(make_rows(100, 4)) <= few.high
    assert many.high - many.low < (few.high - few.low) / 2
