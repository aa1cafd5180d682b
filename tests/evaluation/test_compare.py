"""Champion and challenger on the same rows: the numbers are those of the literature."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from tiltyard.errors import DataError
from tiltyard.evaluation import (
    METRICS,
    Comparison,
    LabelledPredictions,
    compare,
    compare_bootstrap,
    compare_paired,
    get_metric,
    label_predictions,
)
from tiltyard.evaluation.resampling.permutation_test import permutation_p_values


def met(both: int, lost: int, won: int, neither: int) -> Comparison:
    """Two versions with these counts of rows that both, one or neither got right."""
    champion = ["yes"] * (both + lost) + ["no"] * (won + neither)
    challenger = ["yes"] * both + ["no"] * lost + ["yes"] * won + ["no"] * neither
    return compare_paired(["yes"] * len(champion), champion, challenger)


counts = st.integers(0, 40)


@settings(max_examples=150, deadline=None, database=None)
@given(both=counts, lost=counts, won=counts, neither=st.integers(1, 40))
def test_mcnemar_p_values_equal_statsmodels_and_scipy(both: int, lost: int, won: int, neither: int) -> None:
    """The p-values are those of statsmodels and scipy."""
    found = met(both, lost, won, neither)
    if won + lost:
        assert found.p_value == pytest.approx(stats.binomtest(won, won + lost, 0.5, "greater").pvalue, rel=1e-9)
        expected = mcnemar([[both, lost], [won, neither]], exact=True).pvalue
        assert found.p_value_two_sided == pytest.approx(expected, rel=1e-9)
    else:
        assert (found.p_value, found.p_value_two_sided) == (1.0, 1.0)


@settings(max_examples=100, deadline=None, database=None)
@given(both=counts, lost=counts, won=counts, neither=st.integers(1, 40))
def test_changing_the_roles_turns_the_signs(both: int, lost: int, won: int, neither: int) -> None:
    """To change the roles turns the signs, and an interval holds its difference."""
    found, turned = met(both, lost, won, neither), met(both, won, lost, neither)
    assert found.difference == pytest.approx(found.challenger - found.champion)
    assert turned.difference == -found.difference
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    assert turned.p_value_two_sided == pytest.approx(found.p_value_two_sided)
    assert -1 <= found.low <= found.difference <= found.high <= 1


def test_the_interval_is_that_of_agresti_and_min() -> None:
    """The interval is Wald's with half a row added to each cell (Agresti and Min, 2005), written out by hand."""
    found = met(1, 1, 7, 12)
    more, less, rows = 7.5, 1.5, 23.0
    middle = (more - less) / rows
    spread = 1.959963984540054 * math.sqrt((more + less) / rows**2 - (more - less) ** 2 / rows**3)
    assert (found.low, found.high) == pytest.approx((middle - spread, middle + spread))


def test_the_interval_covers_the_true_difference() -> None:
    """The 95 % interval holds the true difference in about 95 % of all samples, summed over every one of them."""
    rows, more, less = 30, 0.20, 0.10
    covered = total = 0.0
    for won, lost in product(range(rows + 1), repeat=2):
        if won + lost > rows:
            continue
        chance = stats.multinomial.pmf([won, lost, rows - won - lost], rows, [more, less, 1 - more - less])
        found = met(0, lost, won, rows - won - lost)
        total += chance
        covered += chance * (found.low <= more - less <= found.high)
    assert total == pytest.approx(1.0)
    assert 0.94 < covered < 0.975


def test_false_promotions_stay_below_alpha() -> None:
    """Of all challengers that are not better, at most alpha get a p-value below alpha, summed over every sample."""
    rows, discordant = 40, 0.3
    wrong = 0.0
    for decided in range(rows + 1):
        for won in range(decided + 1):
            if met(rows - decided, decided - won, won, 1).p_value < 0.05:
                wrong += stats.binom.pmf(decided, rows, discordant) * stats.binom.pmf(won, decided, 0.5)
    assert 0.005 < wrong <= 0.05


def test_the_rows_needed_give_the_stated_power() -> None:
    """On the stated number of rows, a lead as large as the one seen is found with the stated power."""
    found = met(80, 6, 14, 0)
    needed = found.rows_needed(alpha=0.05, power=0.8)
    assert needed is not None
    more, less = found.only_challenger_right / found.rows, found.only_champion_right / found.rows
    random = np.random.default_rng(0)
    draws = random.multinomial(needed, [more, less, 1 - more - less], size=4000)
    p_values = stats.binom.sf(draws[:, 0] - 1, draws[:, 0] + draws[:, 1], 0.5)
    # McNemar's exact test is a little more careful than the normal formula.
    assert 0.75 < np.mean(p_values < 0.05) < 0.86


@pytest.mark.parametrize(("lost", "won"), [(5, 5), (6, 5), (0, 0)])
def test_no_lead_no_rows(lost: int, won: int) -> None:
    """Where there is no lead, no number of rows would show it."""
    assert met(10, lost, won, 3).rows_needed() is None


def test_predictions_for_different_numbers_of_rows_are_refused() -> None:
    """Predictions for different numbers of rows are refused."""
    with pytest.raises(DataError):
        compare_paired(["a", "b"], ["a"], ["a", "b"])
    with pytest.raises(DataError):
        compare_paired([], [], [])


def pair(seed: int = 0, rows: int = 80, classes: int = 2) -> tuple[LabelledPredictions, LabelledPredictions]:
    """A champion and a better challenger."""
    random = np.random.default_rng(seed)
    names = np.array(["a", "b", "c"])[:classes]
    truth = random.integers(0, classes, rows)
    found = []
    for strength in (0.5, 1.5):
        scores = random.gumbel(size=(rows, classes))
        scores[np.arange(rows), truth] += strength
        probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        found.append(
            label_predictions(names[truth], names[probabilities.argmax(axis=1)], probabilities, tuple(names.tolist()))
        )
    return found[0], found[1]


@pytest.mark.parametrize("name", METRICS)
def test_bootstrap_is_the_bootstrap(name: str) -> None:
    """Interval and p-value are those of drawing rows one by one, up to the luck of the draw."""
    champion, challenger = pair(classes=2)
    metric = get_metric(name)
    found = compare_bootstrap(metric, champion, challenger, resamples=4000, seed=1)
    random = np.random.default_rng(2)
    sign = 1 if metric.bigger_is_better else -1
    drawn = []
    for _ in range(1500):
        chosen = random.integers(0, len(champion), len(champion))
        drawn.append(sign * (metric.compute(challenger.take(chosen)) - metric.compute(champion.take(chosen))))
    assert found.difference == sign * (metric.compute(challenger) - metric.compute(champion))
    width = float(np.std(drawn))
    assert found.low == pytest.approx(np.quantile(drawn, 0.025), abs=0.35 * width)
    assert found.high == pytest.approx(np.quantile(drawn, 0.975), abs=0.35 * width)
    assert found.p_value == pytest.approx(np.mean(np.asarray(drawn) <= 0), abs=0.04)


@pytest.mark.parametrize("name", ["f1_macro", "roc_auc", "brier"])
def test_bootstrap_of_several_classes(name: str) -> None:
    """Three classes are drawn as two are."""
    champion, challenger = pair(classes=3)
    found = compare_bootstrap(get_metric(name), champion, challenger, seed=1)
    assert found.low < found.difference < found.high
    assert found.p_value < 0.05


@pytest.mark.parametrize("name", METRICS)
def test_a_version_has_no_lead_over_itself(name: str) -> None:
    """A version against itself has no lead, by any metric."""
    champion, _ = pair()
    found = compare(get_metric(name), champion, champion)
    assert found.difference == 0
    assert found.p_value == 1.0
    assert found.low <= 0 <= found.high


def test_a_positive_difference_favours_the_challenger_where_less_is_better() -> None:
    """Where less is better, a positive difference still favours the challenger."""
    champion, challenger = pair()
    found = compare(get_metric("log_loss"), champion, challenger)
    assert found.challenger < found.champion
    assert found.difference > 0
    assert found.p_value < 0.05


def test_the_same_seed_gives_the_same_numbers() -> None:
    """The same seed gives the same numbers, another one others."""
    champion, challenger = pair()
    one, same, other = (compare_bootstrap(get_metric("f1"), champion, challenger, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_rows_needed_of_the_bootstrap() -> None:
    """Four times the rows ask for the same number of rows, as the interval is half as wide."""
    champion, challenger = pair(rows=100)
    many = np.tile(np.arange(100), 4)
    found = compare_bootstrap(get_metric("f1"), champion, challenger).rows_needed()
    more = compare_bootstrap(get_metric("f1"), champion.take(many), challenger.take(many)).rows_needed()
    assert found is not None
    assert more == pytest.approx(found, rel=0.15)


def test_test_that_suits_the_metric() -> None:
    """Accuracy is compared by McNemar's test, everything else by bootstrap and permutation together."""
    champion, challenger = pair()
    assert compare(get_metric("accuracy"), champion, challenger).method == "McNemar's exact test"
    assert compare(get_metric("f1"), champion, challenger).method == "paired bootstrap and permutation"


def test_versions_are_compared_over_the_labels_that_either_knows() -> None:
    """A challenger that knows one label more is compared over all labels that either knows."""
    truth = np.array(["a", "b", "c"] * 20)
    old = label_predictions(truth, np.where(truth == "c", "a", truth), None, ("a", "b"))
    new = label_predictions(truth, truth, None, ("a", "b", "c"))
    found = compare_bootstrap(get_metric("f1_macro"), old, new)
    assert found.challenger == 1.0
    assert found.difference > 0.3


def test_metric_that_is_not_defined() -> None:
    """A metric that is not defined on the rows cannot compare, and the reason is given."""
    one_class = label_predictions(["a", "a"], ["a", "b"], np.array([[0.9, 0.1], [0.4, 0.6]]), ("a", "b"))
    with pytest.raises(DataError, match="no row has the label 'b'"):
        compare_bootstrap(get_metric("roc_auc"), one_class, one_class)


def test_versions_evaluated_on_different_rows_are_not_compared() -> None:
    """Versions that were evaluated on different rows are not compared."""
    champion, challenger = pair()
    with pytest.raises(DataError, match="different rows"):
        compare(get_metric("f1"), champion, challenger.take(np.arange(len(challenger))[::-1]))


@settings(max_examples=60, deadline=None, database=None)
@given(lost=st.integers(0, 12), won=st.integers(0, 12), both=st.integers(1, 20))
def test_exchanged_predictions_are_mcnemar_for_accuracy(lost: int, won: int, both: int) -> None:
    """For accuracy the permutation test is McNemar's, up to the luck of the draw, and to change sides changes tails."""
    truth = ["yes"] * (both + lost + won) + ["no"]
    champion = label_predictions(truth, ["yes"] * (both + lost) + ["no"] * (won + 1), None, ("no", "yes"))
    challenger = label_predictions(truth, ["yes"] * both + ["no"] * lost + ["yes"] * won + ["no"], None, ("no", "yes"))
    ahead, behind = permutation_p_values(get_metric("accuracy"), champion, challenger, resamples=4000)
    exact = compare_paired(champion.labels, champion.predicted, challenger.predicted)
    assert ahead == pytest.approx(exact.p_value, abs=0.04)
    turned = permutation_p_values(get_metric("accuracy"), challenger, champion, resamples=4000)
    assert turned == pytest.approx((behind, ahead), abs=0.05)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_lead_convinces_both_tests(name: str, classes: int) -> None:
    """Except for accuracy, the p-value is the larger of bootstrap's and permutation's; equal models have no lead."""
    champion, challenger = pair(rows=120, classes=classes)
    metric = get_metric(name)
    found = compare(metric, champion, challenger)
    if name == "accuracy":
        return
    ahead, behind = permutation_p_values(metric, champion, challenger)
    alone = compare_bootstrap(metric, champion, challenger)
    assert found.p_value == max(ahead, alone.p_value)
    assert found.p_value_two_sided >= alone.p_value_two_sided
    assert (found.low, found.high, found.difference) == (alone.low, alone.high, alone.difference)
    assert compare(metric, champion, champion).p_value == 1.0
    assert ahead + behind >= 1.0


def test_a_ranking_does_not_see_the_scale() -> None:
    """Probabilities that rank alike give the p-values of twins, however far apart the models' scales are."""
    _, challenger = pair(rows=150)
    assert challenger.probabilities is not None
    squeezed = 0.5 + (challenger.probabilities[:, 1] - 0.5) ** 3
    other = label_predictions(
        challenger.labels, challenger.predicted, np.column_stack([1 - squeezed, squeezed]), challenger.classes
    )
    assert permutation_p_values(get_metric("roc_auc"), other, challenger) == (1.0, 1.0)


@pytest.mark.parametrize("name", ["f1", "log_loss"])
def test_few_rows_promote_too_often_by_the_bootstrap_alone(name: str) -> None:
    """Of challengers alike to their champion, the share with p below alpha is at most alpha on 25 rows too."""
    random, metric, loops = np.random.default_rng(5), get_metric(name), 600
    alone = wrong = 0
    for number in range(loops):
        truth = np.arange(25) % 5 == 0
        row = random.normal(size=25)
        first, second = (_make_predictions(truth, row + random.normal(size=25)) for _ in range(2))
        ahead, _ = permutation_p_values(metric, first, second, resamples=199, seed=number)
        boot = compare_bootstrap(metric, first, second, resamples=199, seed=number)
        alone += boot.difference > 0 and boot.p_value < 0.05
        wrong += boot.difference > 0 and max(ahead, boot.p_value) < 0.05
    assert stats.binomtest(wrong, loops, 0.05, "greater").pvalue > 0.01
    assert wrong <= alone


def _make_predictions(truth: np.ndarray, noise: np.ndarray) -> LabelledPredictions:
    score = 1 / (1 + np.exp(-(np.where(truth, 2.0, -2.0) + 2 * noise)))
    probabilities = np.column_stack([1 - score, score])
    return label_predictions(np.where(truth, "b", "a"), np.where(score > 0.5, "b", "a"), probabilities, ("a", "b"), "b")
