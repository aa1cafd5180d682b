"""Evaluation and comparison of predicted numbers."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.errors import DataError, UsageError
from tiltyard.evaluation import (
    NUMBER_METRICS,
    NumberPredictions,
    compare,
    compare_slices,
    evaluate_rows,
    evaluate_slices,
    get_metric,
    get_task_metric,
    guess_baseline,
    guessing_p_value,
    label_predictions,
    pair_numbers,
)
from tiltyard.evaluation.groups import Group, Grouping


def make_rows(rows: int = 200, noise: float = 1.0, seed: int = 0, *, groups: int | None = None) -> NumberPredictions:
    """Predictions that miss skewed numbers by so much."""
    random = np.random.default_rng(seed)
    truth = random.lognormal(1.0, 1.0, rows)
    clusters = None if groups is None else np.arange(rows) % groups
    return pair_numbers(truth, truth + np.random.default_rng(seed + 100).normal(0, noise, rows), clusters=clusters)


def test_metrics_agree_with_scikit_learn() -> None:
    """Each metric is the function of scikit-learn, also with weights."""
    rows = make_rows()
    weights = np.random.default_rng(1).integers(0, 3, len(rows)).astype(float)
    known = {
        "mae": sk.mean_absolute_error,
        "rmse": sk.root_mean_squared_error,
        "r2": sk.r2_score,
        "mape": sk.mean_absolute_percentage_error,
        **{
            f"pinball_{percent}": lambda truth, predicted, percent=percent, **more: sk.mean_pinball_loss(
                truth, predicted, alpha=percent / 100, **more
            )
            for percent in (10, 50, 90)
        },
    }
    assert set(known) == set(NUMBER_METRICS)
    for name, function in known.items():
        metric = get_metric(name)
        assert metric.compute(rows) == pytest.approx(function(rows.truth, rows.predicted))
        weighted = metric.weighted(rows, np.vstack([weights, np.ones(len(rows))]))
        assert weighted[0] == pytest.approx(function(rows.truth, rows.predicted, sample_weight=weights))
        assert weighted[1] == pytest.approx(metric.compute(rows))


@settings(max_examples=30, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(0.1, 1e3))
def test_moving_and_stretching_the_label_moves_and_stretches_the_error(shift: float, scale: float) -> None:
    """Errors have the unit of the label, and the explained share has none."""
    rows = make_rows(50)
    other = pair_numbers(rows.truth * scale + shift, rows.predicted * scale + shift)
    assert get_metric("mae").compute(other) == pytest.approx(get_metric("mae").compute(rows) * scale, rel=1e-6)
    assert get_metric("r2").compute(other) == pytest.approx(get_metric("r2").compute(rows), abs=1e-6)


def test_a_metric_that_is_not_defined_says_why() -> None:
    """No percentage of 0, no share of a variance that is none, and no metric of classes for numbers."""
    found = evaluate_rows(pair_numbers([0.0, 0.0], [1.0, 2.0]))
    assert found.not_computed == {"r2": "a true number is 0", "mape": "a true number is 0"} or set(
        found.not_computed
    ) == {"r2", "mape"}
    assert "it is for classes, and these are numbers" in get_metric("accuracy").explain_undefined(make_rows())
    labelled = label_predictions(["a", "b"], ["a", "b"], None, ["a", "b"])
    assert "it is for numbers, and these are classes" in get_metric("mae").explain_undefined(labelled)
    with pytest.raises(UsageError, match="'accuracy' is for classes") as refused:
        get_task_metric("accuracy", "tabular-regression")
    assert refused.value.code == "metric.other-target"


def test_predictions_that_are_not_finite_are_refused() -> None:
    """A model that predicts NaN is not evaluated as if it did not."""
    with pytest.raises(DataError, match="1 of 2 predicted numbers are not finite"):
        pair_numbers([1.0, 2.0], [1.0, np.nan])


@pytest.mark.parametrize("metric", ["mae", "rmse", "r2"])
def test_a_clearly_nearer_version_wins_and_not_the_other_way_round(metric: str) -> None:
    """Positive favours the challenger whatever the metric's direction; exchanged sides exchange the tails."""
    near, far = make_rows(noise=0.3), make_rows(noise=1.5)
    found, other = compare(get_metric(metric), far, near), compare(get_metric(metric), near, far)
    assert found.difference > 0
    assert found.low > 0
    assert found.p_value < 0.01
    assert other.difference == pytest.approx(-found.difference)
    assert other.p_value > 0.99
    assert found.only_challenger_right > found.only_champion_right


def test_a_version_against_itself_is_no_evidence() -> None:
    """Equal predictions differ by nothing, and the p-value is 1."""
    rows = make_rows()
    found = compare(get_metric("mae"), rows, rows)
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert found.p_value == pytest.approx(1.0)


def test_the_unit_of_the_label_does_not_decide() -> None:
    """The same rows in thousandths or in thousands have the same p-value."""
    far, near = make_rows(60, 1.0), make_rows(60, 0.8)
    values = [
        compare(
            get_metric("mae"),
            *(pair_numbers(one.truth * scale, one.predicted * scale) for one in (far, near)),
        ).p_value
        for scale in (1e-9, 1.0, 1e9)
    ]
    assert values == pytest.approx([values[1]] * 3)


def test_groups_say_less_than_as_many_rows() -> None:
    """The same rows as five groups are weaker evidence than as rows by themselves."""
    alone = compare(get_metric("mae"), make_rows(noise=1.1), make_rows(noise=0.8))
    together = compare(get_metric("mae"), make_rows(noise=1.1, groups=5), make_rows(noise=0.8, groups=5))
    assert together.groups == 5
    assert together.p_value > alone.p_value
    assert together.high - together.low > 0


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_a_model_is_held_against_the_best_constant(metric: str) -> None:
    """Guessing is the mean or the median of the same rows; a useful model beats both by more than chance."""
    rows = make_rows(noise=0.5)
    guess = guess_baseline(get_metric(metric), rows)
    assert set(guess.values) == {"mean", "median"}
    assert guess.best == ("median" if metric == "mae" else "mean")
    assert guessing_p_value(get_metric(metric), rows) < 0.01
    shuffled = pair_numbers(rows.truth, np.random.default_rng(5).permutation(rows.predicted))
    assert guessing_p_value(get_metric(metric), shuffled) > 0.05


def test_a_lead_over_guessing_of_few_groups_may_be_luck() -> None:
    """Three groups do not show what three hundred rows by themselves would."""
    assert guessing_p_value(get_metric("mae"), make_rows(300, 0.5)) < 0.01
    assert guessing_p_value(get_metric("mae"), make_rows(300, 0.5, groups=3)) > 0.05


def two_halves(rows: int) -> Grouping:
    """Rows by whether they are in the first half."""
    codes = np.arange(rows) // (rows // 2)
    return Grouping("half", "half", (Group("first", "first"), Group("second", "second")), codes)


def test_a_slice_with_larger_errors_is_named_worse() -> None:
    """Of two halves the one with much larger errors is worse than the rest, the other one is not."""
    rows = make_rows(200, 0.3)
    errors = np.where(np.arange(200) < 100, 1, 10) * rows.errors
    report = evaluate_slices(pair_numbers(rows.truth, rows.truth + errors), [two_halves(200)], get_metric("rmse"))
    assert report.base == "mae"
    assert [part.worse for part in report.slices] == [False, True]
    assert {"mae", "rmse"} <= set(report.slices[0].intervals)


def test_a_slice_where_the_challenger_is_worse_is_found() -> None:
    """A challenger that is better on the whole and worse on one half is found."""
    rows = make_rows(200, 1.0)
    first = np.arange(200) < 100
    challenger = pair_numbers(rows.truth, rows.truth + np.where(first, 0.1, 2.5) * rows.errors)
    found, small = compare_slices(rows, challenger, [two_halves(200)])
    assert small == 0
    assert found[0].name == "half = second"
    assert found[0].metric == "mae"
    assert found[0].difference < 0
    assert found[0].adjusted < 0.01
    assert found[1].adjusted > 0.9
