"""How many boosting rounds a booster gets: as many as are best on held-out training rows, on the mean of folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiltyard.models.boosters.libraries.boosting_library import BoostingLibrary, BoostingPlan, FitRows

FEWEST_ROWS = 20
"""Below so many rows, what is best on a fold is chance."""

USUAL_ROUNDS = 100
"""What is fitted where no fold can tell."""


def choose_rounds(library: BoostingLibrary, rows: FitRows, plan: BoostingPlan, folds: int) -> int:
    """The mean over folds of the rounds that are best on a fold for a booster of the others; at least 1.

    The booster itself is then fitted to all rows: none is given up. With fewer than ``FEWEST_ROWS`` rows, or two rows
    of a label, it is ``USUAL_ROUNDS``.
    """
    numbers = assign_folds(rows.target, folds, plan.seed or 0, classes=plan.classes)
    if numbers is None:
        return min(USUAL_ROUNDS, plan.rounds)
    best = []
    for fold in range(int(numbers.max()) + 1):
        train, held_out = np.flatnonzero(numbers != fold), np.flatnonzero(numbers == fold)
        best.append(library.fit(rows.take(train), plan, rows.take(held_out)).rounds)
    return max(1, round(float(np.mean(best))))


def assign_folds(target: NDArray[np.float64], folds: int, seed: int, *, classes: int) -> NDArray[np.int64] | None:
    """The fold of each row, by chance, with as many rows of each class in each as can be.

    Args:
        target: n class numbers, or n numbers.
        folds: how many at most.
        seed: of the order.
        classes: 0 for numbers.

    Returns:
        Shape (n,); None where there are too few rows.
    """
    counts = np.bincount(target.astype(np.int64), minlength=classes) if classes else np.array([len(target)])
    # Of two classes each has to be on both sides; of several, a rare one may be absent from a fold.
    used = min(folds, int(counts.min())) if classes == 2 else folds
    if len(target) < FEWEST_ROWS or used < 2:
        return None
    shuffled = np.random.default_rng(seed).permutation(len(target))
    if classes:
        shuffled = shuffled[np.argsort(target[shuffled], kind="stable")]
    numbers = np.empty(len(target), np.int64)
    numbers[shuffled] = np.arange(len(target)) % used
    return numbers
