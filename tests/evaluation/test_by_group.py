"""Rows that belong together are one unit: tests, draws and intervals take whole groups."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tiltyard.errors import DataError
from tiltyard.evaluation import (
    METRICS,
    LabelledPredictions,
    bootstrap,
    compare,
    compare_bootstrap,
    compare_paired,
    compare_slices,
    evaluate_calibration,
    evaluate_fairness,
    evaluate_slices,
    get_metric,
    group_rows,
    guessing_p_value,
    label_predictions,
)
from tiltyard.evaluation.intervals import share_interval
from tiltyard.evaluation.resampling.by_group import (
    MOST_PARTS,
    effective_sample_size,
    effective_share_size,
    exchange_tails,
    student_quantile,
)
from tiltyard.evaluation.resampling.excess import excess_p_value
from tiltyard.evaluation.resampling.permutation_test import permutation_p_values
from tiltyard.evaluation.resampling.skewness import lower_for_unseen

NAMES = np.array(["a", "b"])


def draw_pair(
    random: np.random.Generator, clusters: np.ndarray | None, rows: int = 120
) -> tuple[LabelledPredictions, LabelledPredictions]:
    """Two versions that are drawn alike; each is good or bad at a group as a whole."""
    codes = np.arange(rows) if clusters is None else clusters
    count = int(codes.max()) + 1
    truth = random.integers(0, 2, count)[codes]
    found = []
    for _ in range(2):
        true = 1 / (1 + np.exp(-random.normal(1, 2, count)[codes] - random.normal(0, 0.5, len(codes))))
        positive = np.where(truth == 1, true, 1 - true)
        predicted = NAMES[(positive > 0.5).astype(int)]
        probabilities = np.column_stack([1 - positive, positive])
        found.append(label_predictions(NAMES[truth], predicted, probabilities, ("a", "b"), clusters=clusters))
    return found[0], found[1]


def repeated(groups: int, rows: int) -> np.ndarray:
    """The codes of so many groups of so many rows."""
    return np.repeat(np.arange(groups), rows)


@settings(max_examples=60, deadline=None, database=None)
@given(leads=st.lists(st.integers(-6, 6), max_size=9))
def test_the_exchange_of_groups_counts_every_throw_of_the_coins(leads: list[int]) -> None:
    """The chances are those of all ways in which the signs can fall, listed one by one."""
    seen, sizes = sum(leads), [abs(lead) for lead in leads]
    totals = np.array([np.dot(sizes, signs) if sizes else 0 for signs in product((-1, 1), repeat=len(sizes))])
    at_least, at_most = exchange_tails(np.array(leads, dtype=np.int64))
    assert at_least == pytest.approx(np.mean(totals >= seen), abs=1e-9)
    assert at_most == pytest.approx(np.mean(totals <= seen), abs=1e-9)


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (9, 3), (400, 340), (3000, 3100)])
def test_leads_of_one_row_are_mcnemars_test(won: int, lost: int) -> None:
    """Where no group leads by more than one row, the exchange of groups is McNemar's test, however many there are."""
    at_least, _ = exchange_tails(np.array([1] * won + [-1] * lost, dtype=np.int64))
    expected = stats.binomtest(won, won + lost, 0.5, "greater").pvalue if won + lost else 1.0
    assert at_least == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_groups_of_one_row_change_nothing(name: str) -> None:
    """Where each row is a separate group, every test and interval is the one without groups, to the last digit."""
    alone = draw_pair(np.random.default_rng(2), None)
    grouped = [replace(one) for one in draw_pair(np.random.default_rng(2), np.arange(120))]
    metric = get_metric(name)
    assert compare(metric, *grouped) == compare(metric, *alone)
    assert bootstrap(metric, grouped[0]) == bootstrap(metric, alone[0])
    assert grouped[0].clusters is None


@pytest.mark.parametrize("name", ["f1", "roc_auc", "log_loss"])
def test_draws_and_exchanges_are_of_whole_groups(name: str) -> None:
    """Interval and p-value are those of drawing and exchanging whole groups one by one, up to the luck of the draw."""
    clusters = np.repeat(np.arange(25), np.arange(25) % 5 + 2)
    champion, challenger = draw_pair(np.random.default_rng(4), clusters)
    metric = get_metric(name)
    sign = 1 if metric.bigger_is_better else -1
    random = np.random.default_rng(5)
    drawn = []
    for _ in range(600):
        rows = np.concatenate([np.flatnonzero(clusters == one) for one in random.integers(0, 25, 25)])
        drawn.append(sign * (metric.compute(challenger.take(rows)) - metric.compute(champion.take(rows))))
    found = compare_bootstrap(metric, champion, challenger, resamples=3000)
    spread = float(np.std(drawn))
    # Wider than the middle 95 % of the draws, by the quantile of Student's t and for the groups at hand.
    assert 1.02 < (found.high - found.low) / float(np.diff(np.quantile(drawn, [0.025, 0.975]))[0]) < 1.35
    assert np.mean(drawn) == pytest.approx(found.difference, abs=0.3 * spread)
    ahead, behind = permutation_p_values(metric, champion, challenger, resamples=999)
    assert 0.001 <= ahead <= 1
    assert ahead + behind == pytest.approx(1.0, abs=0.02)


def test_the_exchange_of_groups_by_draws_is_the_exact_one() -> None:
    """For accuracy, exchanges by draws come to the exact p-value."""
    champion, challenger = draw_pair(np.random.default_rng(6), repeated(12, 8))
    ahead, _ = permutation_p_values(get_metric("accuracy"), champion, challenger, resamples=4000)
    exact = compare(get_metric("accuracy"), champion, challenger)
    assert exact.method == "exchange of groups, and t corrected for skewness"
    assert exact.groups == 12
    right, theirs = (one.truth == one.predicted_codes for one in (champion, challenger))
    leads = np.bincount(repeated(12, 8), weights=theirs.astype(int) - right).astype(np.int64)
    assert ahead == pytest.approx(exchange_tails(leads)[0], abs=0.03)
    assert exact.p_value >= exchange_tails(leads)[0]


@pytest.mark.parametrize("groups", [10, 60])
def test_equal_versions_are_not_promoted_for_a_few_lucky_groups(groups: int) -> None:
    """Of versions that are drawn alike about alpha lead significantly at most; rows by themselves find many more."""
    random, clusters, runs = np.random.default_rng(7), repeated(groups, 20), 400
    by_groups = by_rows = 0
    for _ in range(runs):
        champion, challenger = draw_pair(random, clusters)
        by_groups += compare(get_metric("accuracy"), champion, challenger).p_value < 0.05
        by_rows += compare_paired(champion.labels, champion.predicted, challenger.predicted).p_value < 0.05
    assert by_groups / runs < 0.08
    assert by_rows / runs > 0.2


def test_an_interval_of_few_groups_holds_the_true_share() -> None:
    """The interval of an accuracy holds the true one about as often as it promises, from ten groups on."""
    random, runs = np.random.default_rng(8), 400
    levels = stats.beta(0.9, 0.6)
    held = held_by_rows = 0
    for _ in range(runs):
        clusters = np.repeat(np.arange(10), random.integers(1, 51, 10))
        right = random.random(len(clusters)) < levels.rvs(10, random_state=random)[clusters]
        one, rows = share_interval(right, clusters), share_interval(right)
        held += one.low <= levels.mean() <= one.high
        held_by_rows += rows.low <= levels.mean() <= rows.high
    assert held / runs > 0.92
    assert held_by_rows / runs < 0.6


def test_a_group_is_worth_a_row_at_least_and_its_rows_at_most() -> None:
    """Rows that are alike within their group count as one, and rows that have nothing in common as themselves."""
    random, clusters = np.random.default_rng(9), repeated(400, 10)
    alike = random.random(400)[clusters]
    assert effective_sample_size(alike, clusters).rows == pytest.approx(400, rel=0.1)
    assert effective_sample_size(random.random(4000), clusters).rows == pytest.approx(4000, rel=0.2)
    assert effective_sample_size(random.random(4000), clusters).rows <= 4000
    assert effective_sample_size(alike, None).at(0.95) == 4000


def test_a_perfect_share_of_few_groups_is_not_certain() -> None:
    """Where all of ten groups are right throughout, the interval is about that of ten rows."""
    right = np.ones(500, dtype=bool)
    assert effective_share_size(right, repeated(10, 50)).rows == pytest.approx(10, rel=0.05)
    assert share_interval(right, repeated(10, 50)).low < 0.8
    assert share_interval(right).low > 0.99


def test_one_group_says_nothing_of_others() -> None:
    """Rows that are all of one group cannot be compared, and their intervals hold everything."""
    champion, challenger = draw_pair(np.random.default_rng(1), np.zeros(80, dtype=int))
    for name in ("accuracy", "f1"):
        with pytest.raises(DataError, match="one group") as raised:
            compare(get_metric(name), champion, challenger)
        assert raised.value.code == "evaluation.one-group"
        assert "split.test" in raised.value.next_step
    assert bootstrap(get_metric("accuracy"), champion) is None
    assert tuple(share_interval(champion.truth == champion.predicted_codes, champion.clusters)) == (0.0, 1.0)
    column = [group_rows(pd.Series(["x"] * 80, name="place"))]
    assert compare_slices(champion, challenger, column) == ((), 1)
    assert not evaluate_slices(champion, column, get_metric("accuracy")).slices[0].could_judge


def test_reports_are_as_wide_as_their_groups_are_few() -> None:
    """Slices, calibration and fairness take their intervals of groups, as the comparison does."""
    random = np.random.default_rng(3)
    clusters = repeated(20, 20)
    grouped, _ = draw_pair(random, clusters)
    alone = replace(grouped, clusters=None)
    column = [group_rows(pd.Series(np.where(clusters % 2 == 0, "x", "y"), name="place"))]

    def widths(labelled: LabelledPredictions) -> list[float]:
        part = evaluate_slices(labelled, column, get_metric("f1")).slices[0]
        fairness = evaluate_fairness(labelled, column).columns[0].labels[0]
        calibration = evaluate_calibration(labelled)
        gap = fairness.measures["demographic_parity_difference"].interval
        assert calibration is not None
        assert part.lead_interval is not None
        assert gap is not None
        found = [
            part.intervals["accuracy"],
            part.intervals["f1"],
            part.lead_interval,
            fairness.groups[0].rates["selection_rate"].interval,
            gap,
            max((one.interval for one in calibration.confidence.bins if one.rows > 30), key=lambda one: one.low),
        ]
        return [one.high - one.low for one in found]

    for by_groups, by_rows in zip(widths(grouped), widths(alone), strict=True):
        assert by_groups > 1.5 * by_rows


def test_the_groups_needed_are_as_many_as_a_standard_error_asks_for() -> None:
    """The number of rows of a verdict is that of groups like those at hand, and a larger one than of rows alone."""
    random = np.random.default_rng(12)
    clusters = repeated(100, 10)
    champion, challenger = draw_pair(random, clusters)
    found = compare(get_metric("accuracy"), champion, challenger)
    alone = compare_paired(champion.labels, champion.predicted, challenger.predicted)
    needed = found.rows_needed(difference=0.05)
    assert needed is not None
    assert needed > 3 * (alone.rows_needed(difference=0.05) or 0)
    assert found.groups_needed(needed) == -(-needed // 10)
    # With so many groups a lead of 0.05 is as many standard errors from 0 as level and power ask for.
    error = (
        (found.high - found.low) / (2 * student_quantile(found.groups_alike or 0, 0.95)) * np.sqrt(found.groups or 0)
    )
    groups = needed / 10
    reached = 0.05 - lower_for_unseen(round(groups), found.champion)
    assert reached == pytest.approx((stats.norm.ppf(0.95) + stats.norm.ppf(0.8)) * error / np.sqrt(groups), rel=0.02)
    assert alone.groups_needed(needed) is None


def noise(random: np.random.Generator, clusters: np.ndarray) -> LabelledPredictions:
    """Predictions that know nothing of their rows, and are alike within a group, as the labels are."""
    count = int(clusters.max()) + 1
    truth = (random.normal(0, 3, count)[clusters] + random.logistic(size=len(clusters)) > 0).astype(int)
    score = 1 / (1 + np.exp(-random.normal(0, 3, count)[clusters] - random.normal(0, 1, len(clusters))))
    found = NAMES[(score > 0.5).astype(int)]
    return label_predictions(NAMES[truth], found, np.column_stack([1 - score, score]), ("a", "b"), clusters=clusters)


@pytest.mark.parametrize("name", ["accuracy", "roc_auc"])
def test_noise_does_not_beat_guessing_by_lucky_groups(name: str) -> None:
    """Of versions that know nothing about most alpha beat guessing, where the groups' labels are alike."""
    random, clusters, runs = np.random.default_rng(10), repeated(20, 15), 200
    p_values = [excess_p_value(get_metric(name), noise(random, clusters)) for _ in range(runs)]
    assert np.mean(np.array(p_values) < 0.05) < 0.09


@pytest.mark.parametrize("name", ["accuracy", "f1", "roc_auc", "log_loss"])
@pytest.mark.parametrize("groups", [30, MOST_PARTS + 50])
def test_what_knows_its_rows_beats_guessing(name: str, groups: int) -> None:
    """A version that is right about most groups beats guessing by any metric, and few groups never do."""
    random = np.random.default_rng(11)
    clusters = repeated(groups, 4)
    truth = random.integers(0, 2, groups)[clusters]
    positive = np.where(random.random(len(truth)) < 0.9, np.where(truth == 1, 0.9, 0.1), 0.5)
    found = NAMES[(positive > 0.5).astype(int)]
    probabilities = np.column_stack([1 - positive, positive])
    labelled = label_predictions(NAMES[truth], found, probabilities, ("a", "b"), clusters=clusters)
    assert guessing_p_value(get_metric(name), labelled) < 0.01
    assert guessing_p_value(get_metric(name), labelled.take(clusters < 4)) > 0.05


def test_a_wrong_number_of_groups_is_refused() -> None:
    """A group for each row, or none at all."""
    with pytest.raises(DataError, match="3 groups of rows and 2 rows"):
        label_predictions(["a", "b"], ["a", "b"], None, ("a", "b"), clusters=[1, 2, 2])
