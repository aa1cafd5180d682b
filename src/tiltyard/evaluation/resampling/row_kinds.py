"""Rows of the same kind are counted, not repeated: draws and exchanges of rows, or of whole groups, as counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tiltyard.evaluation.labelled_predictions import Codes, Evaluated, EvaluatedRows, NumberPredictions, Weights
from tiltyard.evaluation.metrics import Metric

# Weights that are drawn at once; bounds the memory to some tens of MB.
_DRAWN_AT_ONCE = 2_000_000
_EXCHANGED_AT_ONCE = 1_000_000
# A category of a multinomial draw costs as much as so many draws of one thing each.
_MULTINOMIAL_COST = 8
# A cell of a dense product costs about this part of an entry of a sparse one.
_DENSE_CELLS = 10


@dataclass(frozen=True)
class KindsOfGroups:
    """How many rows of each kind each group of rows that belong together has.

    Attributes:
        groups: how many there are.
        table: (groups, kinds), dense or sparse; None where each row is one kind.
        clusters: the group of each row, which is then the group of each kind.
    """

    groups: int
    table: Any
    clusters: Codes

    def count(self, weights: Weights) -> Weights:
        """Rows of each kind, (m, kinds), where each group counts so often, (m, groups)."""
        return weights[:, self.clusters] if self.table is None else np.asarray(weights @ self.table)

    def gather_alike(self) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
        """The different rows of the table, and how many groups have each; None where they are not much fewer."""
        if self.table is None or not isinstance(self.table, np.ndarray):
            return None
        different, groups = np.unique(self.table, axis=0, return_counts=True)
        return (different, groups) if len(different) * _MULTINOMIAL_COST <= self.groups else None


@dataclass(frozen=True)
class RowKinds:
    """How many rows there are of each kind; rows of one kind are the same to a metric.

    Attributes:
        counts: rows of each kind.
        by_group: the same for each group of rows that belong together; None where each row is by itself.
    """

    counts: NDArray[np.int64]
    by_group: KindsOfGroups | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.counts.sum())

    def draw(self, resamples: int, random: np.random.Generator) -> Iterator[Weights]:
        """How often each kind is drawn, (m, kinds) at a time, until there were ``resamples`` draws.

        Rows are drawn with replacement, as many as there are; groups are drawn whole, as many as there are groups.
        Groups with the same rows of each kind are drawn together, where there are many of them.
        """
        if self.by_group is None:
            yield from bootstrap_draws(self.counts, resamples, random)
            return
        alike = self.by_group.gather_alike()
        if alike is not None:
            different, occurring = alike
            for drawn in bootstrap_draws(occurring, resamples, random):
                yield drawn @ different
            return
        groups, kinds = self.by_group.groups, len(self.counts)
        for together in _share_out(resamples, _DRAWN_AT_ONCE // max(groups, kinds)):
            yield self.by_group.count(_draw_each(groups, together, random))

    def leave_out(self) -> Iterator[Weights]:
        """How many rows of each kind there are without each group in turn, (m, kinds) at a time."""
        groups = len(self.counts) if self.by_group is None else self.by_group.groups
        start = 0
        for together in _share_out(groups, _DRAWN_AT_ONCE // max(groups, len(self.counts))):
            left = np.eye(together, groups, start)
            yield self.counts - (left if self.by_group is None else self.by_group.count(left))
            start += together

    def exchange(self, resamples: int, random: np.random.Generator) -> Iterator[Weights]:
        """How many rows of each kind change sides, (m, kinds) at a time; a group changes whole."""
        groups = len(self.counts) if self.by_group is None else self.by_group.groups
        for together in _share_out(resamples, _EXCHANGED_AT_ONCE // max(groups, len(self.counts))):
            if self.by_group is None:
                yield _exchange_rows(self.counts, together, random)
            else:
                sides = random.integers(0, 2, (together, groups), dtype=np.int8).astype(np.float64)
                yield self.by_group.count(sides)


def distinct_rows(metric: Metric, champion: Evaluated, challenger: Evaluated) -> tuple[Evaluated, Evaluated, RowKinds]:
    """One row of each kind, and how many there are: to draw or exchange rows is to draw or exchange their counts.

    Rows with the same three labels are the same to a metric without probabilities; to a metric of probabilities, and of
    numbers, each row is one kind.
    """
    if (
        isinstance(champion, NumberPredictions)
        or isinstance(challenger, NumberPredictions)
        or metric.needs_probabilities
    ):
        return champion, challenger, _each_row(champion)
    k = len(champion.classes)
    kinds = (champion.truth * k + champion.predicted_codes) * k + challenger.predicted_codes
    first, found = _count_kinds(kinds, champion.clusters)
    return champion.take(first), challenger.take(first), found


def distinct_predictions(metric: Metric, labelled: EvaluatedRows) -> tuple[EvaluatedRows, RowKinds]:
    """The same for the predictions of one version."""
    if isinstance(labelled, NumberPredictions) or metric.needs_probabilities:
        return labelled, _each_row(labelled)
    kinds = labelled.truth * len(labelled.classes) + labelled.predicted_codes
    first, found = _count_kinds(kinds, labelled.clusters)
    return labelled.take(first), found


def bootstrap_draws(counts: NDArray[np.int64], resamples: int, random: np.random.Generator) -> Iterator[Weights]:
    """How often each kind of row is drawn, (m, kinds) at a time, until there were ``resamples`` draws.

    Args:
        counts: how many rows there are of each kind.
        resamples: number of draws, each of as many rows as there are.
        random: where the draws come from.
    """
    rows, kinds = int(counts.sum()), len(counts)
    for together in _share_out(resamples, _DRAWN_AT_ONCE // kinds):
        if kinds < rows:
            yield random.multinomial(rows, counts / rows, size=together).astype(np.float64)
        else:
            yield _draw_each(rows, together, random)


def _draw_each(number: int, draws: int, random: np.random.Generator) -> Weights:
    """How often each of so many things is drawn with replacement, (draws, number); quicker than a multinomial draw."""
    chosen = random.integers(0, number, (draws, number)) + number * np.arange(draws)[:, None]
    return np.bincount(chosen.ravel(), minlength=draws * number).reshape(draws, number).astype(np.float64)


def _exchange_rows(counts: NDArray[np.int64], draws: int, random: np.random.Generator) -> Weights:
    if counts.max() == 1:  # many times as quick as the binomial
        return random.integers(0, 2, (draws, len(counts)), dtype=np.int8).astype(np.float64)
    return random.binomial(counts, 0.5, (draws, len(counts))).astype(np.float64)


def _each_row(labelled: EvaluatedRows) -> RowKinds:
    ones = np.ones(len(labelled), dtype=np.int64)
    clusters = labelled.clusters
    return RowKinds(ones, None if clusters is None else KindsOfGroups(int(clusters.max()) + 1, None, clusters))


def _count_kinds(kinds: Codes, clusters: Codes | None) -> tuple[NDArray[np.intp], RowKinds]:
    _, first, places, counts = np.unique(kinds, return_index=True, return_inverse=True, return_counts=True)
    return first, RowKinds(counts, None if clusters is None else _cross(clusters, places, len(counts)))


def _cross(clusters: Codes, places: Codes, kinds: int) -> KindsOfGroups:
    """Rows of each group and kind; sparse where most groups have few of many kinds."""
    groups = int(clusters.max()) + 1
    if groups * kinds <= _DENSE_CELLS * len(clusters):
        counted = np.bincount(clusters * kinds + places, minlength=groups * kinds)
        return KindsOfGroups(groups, counted.reshape(groups, kinds).astype(np.float64), clusters)
    cells = (np.ones(len(clusters)), (clusters, places))
    return KindsOfGroups(groups, sparse.coo_array(cells, shape=(groups, kinds)).tocsr(), clusters)


def _share_out(draws: int, at_once: int) -> Iterator[int]:
    at_once = max(1, at_once)
    for start in range(0, draws, at_once):
        yield min(at_once, draws - start)
