"""Draws of groups have one law, in whichever way they are made."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from scipy import sparse, stats

from tiltyard.evaluation import LabelledPredictions, get_metric, label_predictions
from tiltyard.evaluation.resampling.row_kinds import KindsOfGroups, RowKinds, distinct_predictions

DRAWS = 40_000
SIZES = np.array([[2, 0, 1], [0, 3, 0], [1, 1, 1], [2, 0, 1]])  # rows of three kinds in four groups


def describe_as_rows() -> RowKinds:
    """The same groups, each row a kind, next to the kind that it has in ``SIZES``."""
    clusters = np.repeat(np.arange(4), SIZES.sum(axis=1))
    return RowKinds(np.ones(len(clusters), dtype=np.int64), KindsOfGroups(4, None, clusters))


def describe_as_table(table: object) -> RowKinds:
    """The groups by their rows of each kind."""
    return RowKinds(SIZES.sum(axis=0), KindsOfGroups(4, table, np.repeat(np.arange(4), SIZES.sum(axis=1))))


def sum_kinds(weights: np.ndarray) -> np.ndarray:
    """Rows of each of the three kinds, where each row was a kind."""
    kinds = np.concatenate([np.repeat(np.arange(3), row) for row in SIZES])
    return np.asarray(weights @ np.eye(3)[kinds])


def check_law(found: np.ndarray, expected: Counter[tuple[int, ...]]) -> None:
    """The counts that were drawn are those that may be, each as often as it is likely (chi-squared test)."""
    seen = Counter(tuple(row) for row in found.astype(int).tolist())
    assert set(seen) <= set(expected)
    total = sum(expected.values())
    names = list(expected)
    chances = np.array([expected[name] / total for name in names])
    assert stats.chisquare([seen[name] for name in names], chances * len(found)).pvalue > 1e-4


def list_draws() -> Counter[tuple[int, ...]]:
    """All 256 ways to draw four groups of four, by the rows of each kind."""
    return Counter(tuple(SIZES[list(chosen)].sum(axis=0).tolist()) for chosen in product(range(4), repeat=4))


def list_exchanges() -> Counter[tuple[int, ...]]:
    """All 16 ways in which the coins of four groups fall."""
    return Counter(tuple((np.array(sides) @ SIZES).tolist()) for sides in product((0, 1), repeat=4))


@pytest.mark.parametrize("way", ["dense", "sparse", "rows"])
def test_groups_are_drawn_and_exchanged_as_all_ways_to_do_so_say(way: str) -> None:
    """Draws and exchanges of groups have the distribution that listing every way gives, in each form of the counts."""
    kinds = {
        "dense": describe_as_table(SIZES.astype(float)),
        "sparse": describe_as_table(sparse.csr_array(SIZES.astype(float))),
        "rows": describe_as_rows(),
    }[way]
    random = np.random.default_rng(15)
    drawn = np.concatenate(list(kinds.draw(DRAWS, random)))
    swapped = np.concatenate(list(kinds.exchange(DRAWS, random)))
    if way == "rows":
        drawn, swapped = sum_kinds(drawn), sum_kinds(swapped)
    check_law(drawn, list_draws())
    check_law(swapped, list_exchanges())


def test_groups_that_are_alike_are_drawn_together_by_the_same_law() -> None:
    """Of 40 groups of two kinds, so many of the first are drawn as 40 throws of a coin of its share give."""
    table = np.repeat([[2.0, 0.0], [1.0, 3.0]], [10, 30], axis=0)
    kinds = RowKinds(table.sum(axis=0).astype(np.int64), KindsOfGroups(40, table, np.repeat(np.arange(40), 2)))
    assert kinds.by_group is not None
    assert kinds.by_group.gather_alike() is not None
    drawn = np.concatenate(list(kinds.draw(DRAWS, np.random.default_rng(2))))
    second = drawn[:, 1] / 3
    assert np.array_equal(drawn[:, 0], 2 * (40 - second) + second)
    assert second.mean() == pytest.approx(30, abs=5 * np.sqrt(40 * 0.25 * 0.75 / DRAWS))
    assert second.var() == pytest.approx(40 * 0.25 * 0.75, rel=0.05)
    inner = np.arange(20, 39)
    seen = np.bincount(second.astype(int), minlength=41)[inner]
    expected = stats.binom.pmf(inner, 40, 0.75) * DRAWS
    assert np.all(np.abs(seen - expected) < 5 * np.sqrt(expected + 1))


@pytest.mark.parametrize("metric", ["f1", "log_loss"])
def test_groups_of_one_row_are_drawn_as_rows(metric: str) -> None:
    """Where each group is one row, the draws are those of rows, to the last digit."""
    random = np.random.default_rng(4)
    positive = random.random(60)
    truth, found = np.where(random.random(60) < positive, "b", "a"), np.where(positive > 0.5, "b", "a")

    def draw(clusters: list[int] | None) -> np.ndarray:
        labelled: LabelledPredictions = label_predictions(
            truth, found, np.column_stack([1 - positive, positive]), ("a", "b"), clusters=clusters
        )
        _, kinds = distinct_predictions(get_metric(metric), labelled)
        return np.concatenate(list(kinds.draw(50, np.random.default_rng(5))))

    assert np.array_equal(draw(list(range(100, 160))), draw(None))


def test_many_kinds_of_few_rows_are_counted_sparse_and_alike() -> None:
    """A table of many kinds is kept sparse, and counts what a dense one does."""
    random = np.random.default_rng(6)
    names = np.array([f"c{code:02d}" for code in range(40)])
    truth, found = names[random.integers(0, 40, 900)], names[random.integers(0, 40, 900)]
    clusters = random.integers(0, 300, 900)
    labelled = label_predictions(truth, found, None, names.tolist(), clusters=clusters.tolist())
    _, kinds = distinct_predictions(get_metric("f1_macro"), labelled)
    assert kinds.by_group is not None
    assert isinstance(kinds.by_group.table, sparse.csr_array)
    dense = KindsOfGroups(kinds.by_group.groups, kinds.by_group.table.toarray(), kinds.by_group.clusters)
    weights = random.integers(0, 3, (7, kinds.by_group.groups)).astype(float)
    assert np.array_equal(dense.count(weights), kinds.by_group.count(weights))
    assert np.array_equal(kinds.by_group.count(np.ones((1, kinds.by_group.groups)))[0], kinds.counts)
