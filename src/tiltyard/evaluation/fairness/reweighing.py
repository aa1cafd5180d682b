"""Weights of rows that make up for unfair data: label and group become independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.groups import OTHER, Grouping
from tiltyard.evaluation.slices import FEWEST_ROWS


def compute_reweighing(groups: NDArray[np.intp], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Weights of rows that make label and group independent (Kamiran and Calders, 2012, section 5.2).

    ``w(g, y) = P(g) P(y) / P(g, y)``; they add up to the number of rows, each group's to its size and each label's to
    its frequency.

    Args:
        groups: n groups as whole numbers from 0.
        labels: n labels as whole numbers from 0.

    Returns:
        n weights.
    """
    rows = len(groups)
    together = np.zeros((groups.max() + 1, labels.max() + 1))
    np.add.at(together, (groups, labels), 1.0)
    expected = np.outer(together.sum(axis=1), together.sum(axis=0)) / rows
    found: NDArray[np.float64] = expected[groups, labels] / together[groups, labels]
    return found


def cross_groups(groupings: Sequence[Grouping]) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """The groups that several columns make together, such as women of one race.

    Those of fewer than 30 rows are one group together: a weight from a few rows would be noise.

    Returns:
        n codes, and the title of each.
    """
    shape = tuple(len(grouping.groups) for grouping in groupings)
    cells = np.ravel_multi_index(tuple(grouping.codes for grouping in groupings), shape)
    used, codes, counts = np.unique(cells, return_inverse=True, return_counts=True)
    titles = [
        " and ".join(grouping.groups[position].title for grouping, position in zip(groupings, positions, strict=True))
        for positions in zip(*np.unravel_index(used, shape), strict=True)
    ]
    kept = np.flatnonzero(counts >= FEWEST_ROWS)
    renamed = np.full(len(used), len(kept))
    renamed[kept] = np.arange(len(kept))
    names = [titles[position] for position in kept]
    return renamed[codes], tuple(names if len(kept) == len(used) else [*names, OTHER])
