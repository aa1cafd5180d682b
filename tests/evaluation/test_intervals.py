"""Intervals keep their promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from tiltyard.evaluation import LabelledPredictions, bootstrap, get_metric, label_predictions, newcombe, wilson


@st.composite
def shares(draw: st.DrawFn) -> tuple[int, int]:
    """Hits and rows."""
    rows = draw(st.integers(1, 10_000))
    return draw(st.integers(0, rows)), rows


@settings(max_examples=60, deadline=None, database=None)
@given(share=shares())
def test_wilson_is_that_of_statsmodels(share: tuple[int, int]) -> None:
    """The interval of a share is Wilson's, and holds the share."""
    hits, rows = share
    found = wilson(hits, rows)
    assert list(found) == pytest.approx(proportion_confint(hits, rows, method="wilson"), abs=1e-12)
    assert 0 <= found.low <= hits / rows <= found.high <= 1


@settings(max_examples=60, deadline=None, database=None)
@given(one=shares(), other=shares())
def test_newcombe_is_that_of_statsmodels(one: tuple[int, int], other: tuple[int, int]) -> None:
    """The interval of a difference is Newcombe's, and turns its sign with the sides."""
    found = newcombe(*one, *other)
    expected = confint_proportions_2indep(*one, *other, method="newcomb", compare="diff")
    assert list(found) == pytest.approx(expected, abs=1e-9)
    turned = newcombe(*other, *one)
    assert [-turned.high, -turned.low] == pytest.approx(list(found))


def test_without_rows_anything_is_possible() -> None:
    """No rows, no knowledge."""
    assert list(wilson(0, 0)) == [0, 1]
    assert list(newcombe(0, 0, 3, 5)) == [-1, 1]


def sample(rows: int, seed: int = 0) -> LabelledPredictions:
    """Predictions whose score separates two labels well, not perfectly."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, rows)
    score = 1 / (1 + np.exp(-random.normal(truth * 1.5 - 0.75, 1.0)))
    names = np.array(["no", "yes"])
    return label_predictions(
        names[truth], names[(score > 0.5).astype(int)], np.column_stack([1 - score, score]), ("no", "yes")
    )


def test_bootstrap_of_a_share_is_near_wilson() -> None:
    """Where both can be had, the bootstrap and the formula agree."""
    labelled = sample(2_000)
    found = bootstrap(get_metric("accuracy"), labelled, resamples=2_000)
    assert found is not None
    assert list(found) == pytest.approx(
        list(wilson(int((labelled.truth == labelled.predicted_codes).sum()), 2_000)), abs=0.003
    )


@pytest.mark.parametrize("name", ["f1", "roc_auc", "log_loss"])
def test_bootstrap_narrows_with_the_root_of_the_rows(name: str) -> None:
    """Sixteen times the rows make a quarter of the interval, also where not all rows are drawn."""
    metric = get_metric(name)
    few, many = (bootstrap(metric, sample(rows), resamples=400) for rows in (2_500, 40_000))
    assert few is not None
    assert many is not None
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(4, rel=0.3)
    assert many.low <= metric.compute(sample(40_000)) <= many.high


def test_bootstrap_repeats_by_seed() -> None:
    """The same seed gives the same interval, another one another."""
    metric, labelled = get_metric("roc_auc"), sample(200)
    assert bootstrap(metric, labelled, seed=1) == bootstrap(metric, labelled, seed=1)
    assert bootstrap(metric, labelled, seed=1) != bootstrap(metric, labelled, seed=2)


def test_bootstrap_gives_up_where_draws_are_not_defined() -> None:
    """Where most draws lack a label that the metric needs, there is no interval rather than one of the others."""
    labelled = label_predictions(["a", "b", "c"], ["a", "b", "c"], np.eye(3), ("a", "b", "c"))
    assert bootstrap(get_metric("roc_auc"), labelled) is None
    assert bootstrap(get_metric("roc_auc"), labelled.take(np.repeat([0, 1, 2], 20))) is not None
