"""Rows of the same kind are counted, not repeated: draws and exchanges of rows, or of whole groups, as counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tiltyard.evaluation.labelled_predictions import Codes, LabelledPredictions, Weights
from tiltyard.evaluation.metrics import Metric

# Weights that are drawn at once; bounds the memory to some tens of MB.
_DRAWN_AT_ONCE = 2_000_000
_EXCHANGED_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class RowKinds:
    """How many rows there are of each kind; rows of one kind are the same to a metric.

    Attributes:
        counts: rows of each kind.
        by_group: (groups, kinds), the same for each group of rows that belong together; None where each row is by
            itself.
    """

    counts: NDArray[np.int64]
    by_group: Any = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.counts.sum())

    def draw(self, resamples: int, random: np.random.Generator) -> Iterator[Weights]:
        """How often each kind is drawn, (m, kinds) at a time, until there were ``resamples`` draws.

        Rows are drawn with replacement, as many as there are; groups are drawn whole, as many as there are groups.
        """
        if self.by_group is None:
            yield from bootstrap_draws(self.counts, resamples, random)
            return
        groups = self.by_group.shape[0]
        for together in _share_out(resamples, _DRAWN_AT_ONCE // max(self.by_group.shape)):
            drawn = random.multinomial(groups, np.full(groups, 1 / groups), size=together).astype(np.float64)
            yield drawn @ self.by_group

    def exchange(self, resamples: int, random: np.random.Generator) -> Iterator[Weights]:
        """How many rows of each kind change sides, (m, kinds) at a time; a group changes whole."""
        groups = len(self.counts) if self.by_group is None else self.by_group.shape[0]
        for together in _share_out(resamples, _EXCHANGED_AT_ONCE // max(groups, len(self.counts))):
            if self.by_group is None:
                yield _exchange_rows(self.counts, together, random)
            else:
                sides = random.integers(0, 2, (together, groups), dtype=np.int8).astype(np.float64)
                yield sides @ self.by_group


def distinct_rows(
    metric: Metric, champion: LabelledPredictions, challenger: LabelledPredictions
) -> tuple[LabelledPredictions, LabelledPredictions, RowKinds]:
    """One row of each kind, and how many there are: to draw or exchange rows is to draw or exchange their counts.

    Rows with the same three labels are the same to a metric without probabilities; to a metric of probabilities,
    each row is one kind.
    """
    if metric.needs_probabilities:
        return champion, challenger, _each_row(champion)
    k = len(champion.classes)
    kinds = (champion.truth * k + champion.predicted_codes) * k + challenger.predicted_codes
    first, found = _count_kinds(kinds, champion.clusters)
    return champion.take(first), challenger.take(first), found


def distinct_predictions(metric: Metric, labelled: LabelledPredictions) -> tuple[LabelledPredictions, RowKinds]:
    """The same for the predictions of one version."""
    if metric.needs_probabilities:
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
            chosen = random.integers(0, rows, (together, rows)) + rows * np.arange(together)[:, None]
            yield np.bincount(chosen.ravel(), minlength=together * rows).reshape(together, rows).astype(np.float64)


def _exchange_rows(counts: NDArray[np.int64], draws: int, random: np.random.Generator) -> Weights:
    if counts.max() == 1:  # many times as quick as the binomial
        return random.integers(0, 2, (draws, len(counts)), dtype=np.int8).astype(np.float64)
    return random.binomial(counts, 0.5, (draws, len(counts))).astype(np.float64)


def _each_row(labelled: LabelledPredictions) -> RowKinds:
    ones = np.ones(len(labelled), dtype=np.int64)
    return RowKinds(ones, _cross(labelled.clusters, np.arange(len(labelled)), len(labelled)))


def _count_kinds(kinds: Codes, clusters: Codes | None) -> tuple[NDArray[np.intp], RowKinds]:
    _, first, places, counts = np.unique(kinds, return_index=True, return_inverse=True, return_counts=True)
    return first, RowKinds(counts, _cross(clusters, places, len(counts)))


def _cross(clusters: Codes | None, places: Codes, kinds: int) -> Any:
    """Rows of each group and kind, sparse: most groups have few kinds."""
    if clusters is None:
        return None
    cells = (np.ones(len(clusters)), (clusters, places))
    return sparse.coo_array(cells, shape=(int(clusters.max()) + 1, kinds)).tocsr()


def _share_out(draws: int, at_once: int) -> Iterator[int]:
    at_once = max(1, at_once)
    for start in range(0, draws, at_once):
        yield min(at_once, draws - start)
