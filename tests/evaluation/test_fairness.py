"""Fairness is measured as fairlearn measures it, and reweighing does what its paper says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.charts.drawn import count_frames, read_dots, read_words
from tiltyard.evaluation import (
    FairnessReport,
    LabelledPredictions,
    compute_reweighing,
    cross_groups,
    evaluate_fairness,
    group_rows,
    label_predictions,
    newcombe,
    plot_fairness,
)

fairlearn = pytest.importorskip("fairlearn.metrics", reason="the extra 'fairness' is not installed")


def people(rows: int, groups: int, labels: tuple[str, ...], seed: int) -> tuple[LabelledPredictions, pd.Series]:
    """Predictions that are right more or less often by group."""
    random = np.random.default_rng(seed)
    group = random.integers(0, groups, rows)
    truth = random.integers(0, len(labels), rows)
    guess = np.where(random.random(rows) < 0.5 + 0.1 * group, truth, random.integers(0, len(labels), rows))
    names = np.array(labels)
    labelled = label_predictions(names[truth], names[guess], None, labels, labels[-1])
    return labelled, pd.Series(group, name="group").map("g{}".format)


def report_on(labelled: LabelledPredictions, column: pd.Series) -> FairnessReport:
    return evaluate_fairness(labelled, [group_rows(column)])


@pytest.mark.requirement("R-MON-17")
@settings(max_examples=15, deadline=None, database=None)
@given(groups=st.integers(2, 4), seed=st.integers(0, 2**32 - 1))
def test_the_measures_are_those_of_fairlearn(groups: int, seed: int) -> None:
    """Where every group is large enough, each measure is fairlearn's function of the same name."""
    labelled, column = people(600, groups, ("no", "yes"), seed)
    (found,) = report_on(labelled, column).columns[0].labels
    assert set(found.measures) == {
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equal_opportunity_difference",
        "equalized_odds_difference",
    }
    for name, measure in found.measures.items():
        truth, guess = labelled.labels == "yes", labelled.predicted == "yes"
        expected = getattr(fairlearn, name)(truth.astype(int), guess.astype(int), sensitive_features=column)
        assert measure.value == pytest.approx(expected, abs=1e-12), name
    assert (
        found.measures["equalized_odds_difference"].value
        >= found.measures["equal_opportunity_difference"].value - 1e-12
    )


def test_every_group_has_rates_with_intervals() -> None:
    """A rate is the share that it says, of the rows that it says, between the ends of its interval."""
    labelled, column = people(600, 3, ("no", "yes"), 1)
    (found,) = report_on(labelled, column).columns[0].labels
    for group in found.groups:
        inside = column == group.title
        truth, guess = labelled.labels[inside] == "yes", labelled.predicted[inside] == "yes"
        expected = {
            "selection_rate": (guess.mean(), len(guess)),
            "true_positive_rate": (guess[truth].mean(), truth.sum()),
            "false_positive_rate": (guess[~truth].mean(), (~truth).sum()),
            "accuracy": ((truth == guess).mean(), len(guess)),
        }
        assert set(group.rates) == set(expected)
        for name, rate in group.rates.items():
            assert (rate.value, rate.rows) == pytest.approx(expected[name]), name
            assert rate.value is not None
            assert rate.interval.low < rate.value < rate.interval.high
    parity = found.measures["demographic_parity_difference"]
    rates = {group.title: group.rates["selection_rate"] for group in found.groups}
    most, least = rates[parity.most], rates[parity.least]
    assert parity.interval is not None
    assert most.value is not None
    assert least.value is not None
    evaluated = sum(rate.could_judge for rate in rates.values())
    confidence = 1 - 0.05 / (evaluated * (evaluated - 1) / 2)
    expected_ends = newcombe(most.value * most.rows, most.rows, least.value * least.rows, least.rows, confidence)
    assert list(parity.interval) == pytest.approx(list(expected_ends))


def test_a_small_group_is_given_but_measures_leave_it_out() -> None:
    """Ten rows of a group that is never selected do not make a disparity; they are shown as too few."""
    labelled, column = people(600, 2, ("no", "yes"), 2)
    lone = label_predictions(["yes"] * 10, ["no"] * 10, None, ("no", "yes"))
    both = label_predictions(
        np.append(labelled.labels, lone.labels),
        np.append(labelled.predicted, lone.predicted),
        None,
        ("no", "yes"),
        "yes",
    )
    alone = report_on(labelled, column)
    together = report_on(both, pd.concat([column, pd.Series(["tiny"] * 10)]).rename("group"))
    assert together.metrics == alone.metrics
    tiny = together.columns[0].labels[0].groups[-1]
    assert (tiny.title, tiny.rows, tiny.rates["selection_rate"].value) == ("tiny", 10, 0)
    assert not tiny.rates["selection_rate"].could_judge
    assert tiny.rates["false_positive_rate"].value is None


def test_a_rate_without_rows_is_no_zero() -> None:
    """A group without a row of the label has no true positive rate, and the measure says why it is not there."""
    labelled = label_predictions(["no"] * 100 + ["yes"] * 50, ["no"] * 50 + ["yes"] * 100, None, ("no", "yes"))
    (found,) = report_on(labelled, pd.Series(["a"] * 100 + ["b"] * 50, name="g")).columns[0].labels
    assert found.groups[0].rates["true_positive_rate"].value is None
    assert "true positive rate needs" in found.not_judged["equal_opportunity_difference"]
    assert "demographic_parity_difference" in found.measures


def test_a_label_that_is_never_predicted_has_no_ratio() -> None:
    """Where the label is predicted for no row, the difference is 0 and there is no ratio."""
    labelled = label_predictions(["no", "yes"] * 100, ["no"] * 200, None, ("no", "yes"))
    (found,) = report_on(labelled, pd.Series(["a", "b"] * 100, name="g")).columns[0].labels
    assert found.measures["demographic_parity_difference"].value == 0
    assert found.not_judged["demographic_parity_ratio"] == "the label is predicted for no row"


def test_one_group_cannot_be_compared() -> None:
    """A column that says the same of everybody gives no measure, and no error."""
    labelled, _ = people(100, 1, ("no", "yes"), 3)
    report = report_on(labelled, pd.Series(["all"] * 100, name="g"))
    assert report.metrics == {}
    assert set(report.columns[0].labels[0].not_judged) == {
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equal_opportunity_difference",
        "equalized_odds_difference",
    }


def test_many_labels_are_each_held_against_the_rest() -> None:
    """With three labels there are three one-against-the-rest reports, and the run logs the worst."""
    labelled, column = people(900, 2, ("a", "b", "c"), 4)
    report = report_on(labelled, column)
    assert [part.label for part in report.columns[0].labels] == ["a", "b", "c"]
    for part in report.columns[0].labels:
        truth, guess = labelled.labels == part.label, labelled.predicted == part.label
        expected = fairlearn.equalized_odds_difference(truth.astype(int), guess.astype(int), sensitive_features=column)
        assert part.measures["equalized_odds_difference"].value == pytest.approx(expected)
    values = [part.measures["equalized_odds_difference"].value for part in report.columns[0].labels]
    assert report.metrics["fairness.group.equalized_odds_difference"] == max(values)
    ratios = [part.measures["demographic_parity_ratio"].value for part in report.columns[0].labels]
    assert report.metrics["fairness.group.demographic_parity_ratio"] == min(ratios)


def test_without_fairlearn_the_way_to_install_it_is_named() -> None:
    """Where fairlearn is missing the error names the extra."""
    code = """
import sys
sys.modules["fairlearn"] = sys.modules["fairlearn.metrics"] = None
from tiltyard.errors import MissingExtraError
from tiltyard.evaluation import evaluate_fairness, label_predictions
try:
    evaluate_fairness(label_predictions(["a", "b"], ["a", "b"], None, ("a", "b")), [])
except MissingExtraError as error:
    print(error.next_step)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    assert done.stdout == "Install them with: pip install 'tiltyard[fairness]'\n"


@settings(max_examples=60, deadline=None, database=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=80).filter(
        lambda pairs: len({(g, y) for g, y in pairs}) == len({g for g, _ in pairs}) * len({y for _, y in pairs})
    )
)
def test_weights_make_label_and_group_independent(pairs: list[tuple[int, int]]) -> None:
    """By weight, every group has the same labels, and groups and labels keep their sizes."""
    groups, labels = np.array(pairs).T
    weights = compute_reweighing(groups, labels)
    assert (weights > 0).all()
    overall = np.bincount(labels, minlength=3) / len(labels)
    assert np.bincount(labels, weights) == pytest.approx(np.bincount(labels))
    for group in np.unique(groups):
        inside = groups == group
        assert weights[inside].sum() == pytest.approx(inside.sum())
        assert np.bincount(labels[inside], weights[inside], minlength=3) / inside.sum() == pytest.approx(overall)


def test_independent_data_is_left_as_it_is() -> None:
    """Where label and group are independent already, every weight is 1."""
    groups, labels = np.divmod(np.arange(12), 3)
    assert compute_reweighing(groups, labels).tolist() == pytest.approx([1.0] * 12)


def test_several_columns_make_joint_groups() -> None:
    """Every combination of 30 rows is a group; rarer ones are one together."""
    sex = pd.Series(["f"] * 60 + ["m"] * 60, name="sex")
    race = pd.Series(["x"] * 30 + ["y"] * 30 + ["x"] * 50 + ["y"] * 6 + ["z"] * 4, name="race")
    codes, names = cross_groups([group_rows(sex), group_rows(race)])
    assert names == ("f and x", "f and y", "m and x", "(other)")
    assert np.bincount(codes).tolist() == [30, 30, 50, 10]


@pytest.mark.parametrize("labels", [("no", "yes"), ("a", "b", "c $")])
def test_fairness_can_be_drawn(labels: tuple[Any, ...]) -> None:
    """A panel a label, a line a group, three rates each."""
    labelled, column = people(300, 3, labels, 5)
    picture = plot_fairness(report_on(labelled, column))
    panels = 1 if len(labels) == 2 else 3
    assert count_frames(picture) == panels
    assert sum(words.startswith("g0 (") for words in read_words(picture)) == panels
    assert len(read_dots(picture)) == panels * 3 * 3
