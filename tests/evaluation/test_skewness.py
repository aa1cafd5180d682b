"""A lead that few bad groups could undo does not count: Student's t on groups, corrected for skewness."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tiltyard.evaluation import LabelledPredictions, compare, get_metric, label_predictions
from tiltyard.evaluation.metrics import METRICS
from tiltyard.evaluation.resampling.by_group import MOST_PARTS, exchange_tails
from tiltyard.evaluation.resampling.skewness import (
    corrected_tails,
    count_groups,
    group_tails,
    lower_for_unseen,
    measure_unseen_loss,
)

NAMES = np.array(["a", "b"])


def draw_unlike(
    random: np.random.Generator, groups: int = 50, rows: int = 20, *, share: float = 0.1, bad: float = 0.35
) -> tuple[LabelledPredictions, LabelledPredictions]:
    """Two versions with an accuracy of 0.8; the challenger has ``bad`` in a share of the groups, more in the others."""
    clusters = np.repeat(np.arange(groups), rows)
    truth = random.integers(0, 2, len(clusters))
    level = np.where(random.random(groups) < share, bad, (0.8 - share * bad) / (1 - share))[clusters]
    rights = random.random(len(clusters)) < 0.8, random.random(len(clusters)) < level
    champion, challenger = (
        label_predictions(NAMES[truth], NAMES[np.where(right, truth, 1 - truth)], None, ("a", "b"), clusters=clusters)
        for right in rights
    )
    return champion, challenger


def total_leads(champion: LabelledPredictions, challenger: LabelledPredictions) -> np.ndarray:
    """By how many rows the challenger is ahead in each group."""
    right, theirs = (one.truth == one.predicted_codes for one in (champion, challenger))
    assert champion.clusters is not None
    return np.bincount(champion.clusters, weights=theirs.astype(int) - right)


def test_leads_that_are_not_skewed_have_students_tails() -> None:
    """Of leads that lie alike on both sides of their mean the p-value is that of Student's t."""
    leads = np.array([-3.0, -1.0, 0.5, 1.0, 1.5, 3.0, 5.0])  # alike about 1
    ahead, behind = corrected_tails(leads)
    expected = stats.ttest_1samp(leads, 0.0, alternative="greater").pvalue
    assert ahead == pytest.approx(expected, rel=1e-9)
    assert ahead + behind == pytest.approx(1.0)


def test_a_lead_without_its_few_losses_counts_for_less() -> None:
    """Skewed to losses, a lead counts for less than by Student's t, and a loss the other way round for as much."""
    leads = np.array([-8.0, -6.0] + [2.0] * 12 + [3.0] * 12)
    ahead, behind = corrected_tails(leads)
    assert ahead > stats.ttest_1samp(leads, 0.0, alternative="greater").pvalue
    assert corrected_tails(-leads) == pytest.approx((behind, ahead))


@pytest.mark.parametrize(
    ("leads", "expected"),
    [([0.0] * 5, (1.0, 1.0)), ([2.0] * 5, (0.0, 1.0)), ([-2.0] * 5, (1.0, 0.0)), ([4.0], (1.0, 1.0))],
)
def test_leads_without_spread_have_a_sign_and_no_more(leads: list[float], expected: tuple[float, float]) -> None:
    """Equal leads are beyond every t; of none, and of one group, nothing is known."""
    assert corrected_tails(np.array(leads)) == expected


@pytest.mark.parametrize("groups", [40, MOST_PARTS])
def test_leaving_out_each_group_in_turn_shows_its_lead(groups: int) -> None:
    """By accuracy, in groups of equal size, the jackknife gives the tails of the groups' own leads."""
    champion, challenger = draw_unlike(np.random.default_rng(groups), groups)
    found = group_tails(get_metric("accuracy"), champion, challenger)
    lowered = 20 * lower_for_unseen(groups, get_metric("accuracy").compute(champion))
    assert found == pytest.approx(corrected_tails(total_leads(champion, challenger), lowered), rel=1e-6)
    assert compare(get_metric("accuracy"), champion, challenger).p_value >= found[0]


def test_many_groups_are_left_out_in_parts() -> None:
    """Of more groups than are left out one by one, parts of them give about the same tails."""
    champion, challenger = draw_unlike(np.random.default_rng(1), 4 * MOST_PARTS)
    by_parts, _ = group_tails(get_metric("accuracy"), champion, challenger)
    lowered = 20 * lower_for_unseen(4 * MOST_PARTS, get_metric("accuracy").compute(champion))
    by_groups, _ = corrected_tails(total_leads(champion, challenger), lowered)
    assert by_parts == pytest.approx(by_groups, abs=0.05)


def test_a_metric_that_hangs_on_one_group_shows_nothing() -> None:
    """Where the metric is not defined without some group, no lead counts."""
    clusters = np.repeat(np.arange(4), 5)
    truth = np.where(clusters == 2, "b", "a")
    scores = np.linspace(0.1, 0.9, 20)
    labelled = label_predictions(truth, truth, np.column_stack([1 - scores, scores]), ("a", "b"), clusters=clusters)
    assert group_tails(get_metric("roc_auc"), labelled, labelled) == (1.0, 1.0)


@pytest.mark.parametrize(("name", "runs", "seed"), [("accuracy", 600, 22), ("f1", 300, 23)])
def test_versions_that_are_equally_good_but_unlike_are_not_promoted(name: str, runs: int, seed: int) -> None:
    """A challenger that loses in a tenth of the groups what it wins in the others is not promoted more often."""
    random = np.random.default_rng(seed)
    promoted = exchanged = 0
    for run in range(runs):
        champion, challenger = draw_unlike(random)
        found = compare(get_metric(name), champion, challenger, seed=run)
        promoted += found.difference > 0 and found.p_value < 0.05
        leads = total_leads(champion, challenger)
        exchanged += leads.sum() > 0 and exchange_tails(leads.astype(np.int64))[0] < 0.05
    assert promoted / runs <= 0.055
    assert exchanged > 1.3 * promoted  # the exchange of groups alone asks whether the two are alike


def test_what_no_group_shows_lowers_a_lead_and_never_a_loss() -> None:
    """The p-value of a lead is that of the lowered one, and that of a loss is the same."""
    leads = np.array([-3.0, -1.0, 0.5, 1.0, 1.5, 3.0, 5.0])
    ahead, behind = corrected_tails(leads, 0.5)
    assert ahead == pytest.approx(stats.ttest_1samp(leads, 0.5, alternative="greater").pvalue, rel=1e-9)
    assert behind == corrected_tails(leads)[1]
    assert corrected_tails(np.full(5, 2.0), 3.0)[0] == 1.0


@pytest.mark.parametrize(("lead", "reach", "loss"), [(0.05, 0.4, 0.8), (0.01, 0.4, 0.9), (0.2, 0.1, 1.0)])
def test_the_groups_that_a_lead_takes_are_the_fewest(lead: float, reach: float, loss: float) -> None:
    """With so many groups the lowered lead is large enough, and with one fewer it is not."""
    groups = count_groups(lead, reach, loss)
    assert lead - lower_for_unseen(groups, loss) >= reach / np.sqrt(groups)
    assert lead - lower_for_unseen(groups - 1, loss) < reach / np.sqrt(groups - 1)


@pytest.mark.parametrize("name", METRICS)
def test_no_predictions_are_worse_than_the_worst(name: str) -> None:
    """Predictions that are all wrong, and sure of it, have no value beyond the worst one; log loss has none."""
    metric = get_metric(name)
    truth = np.tile([0, 1, 1], 20)
    wrong = label_predictions(NAMES[truth], NAMES[1 - truth], np.eye(2)[1 - truth], ("a", "b"))
    if name == "log_loss":
        assert metric.worst is None
        assert measure_unseen_loss(metric, 0.4) == 0.0
        return
    assert metric.worst is not None
    value = metric.compute(wrong)
    assert value >= metric.worst if metric.bigger_is_better else value <= metric.worst
    assert value == pytest.approx(metric.worst, abs=0.7 if name == "pr_auc" else 1e-9)


@pytest.mark.parametrize(
    ("name", "groups", "share", "bad", "runs", "seed"),
    [
        ("accuracy", 20, 0.1, 0.35, 600, 31),
        ("accuracy", 20, 0.02, 0.0, 600, 32),
        ("accuracy", 50, 0.02, 0.0, 600, 33),
        ("f1", 20, 0.05, 0.0, 200, 34),
    ],
)
def test_bad_groups_that_the_sample_may_miss_promote_nothing(
    name: str, groups: int, share: float, bad: float, runs: int, seed: int
) -> None:
    """With few groups, or bad ones so rare that a sample often has none, equally good versions stay where they are."""
    random = np.random.default_rng(seed)
    promoted = 0
    for run in range(runs):
        champion, challenger = draw_unlike(random, groups, share=share, bad=bad)
        if get_metric(name).compute(challenger) > get_metric(name).compute(champion):
            promoted += compare(get_metric(name), champion, challenger, seed=run).p_value < 0.05
    assert promoted / runs <= 0.055
