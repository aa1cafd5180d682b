"""Numbers whose rows belong together: false promotions where whole groups are what is drawn by chance, and lives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from benchmarks.evidence_rates.rows import Row, make_row, scaled, show_progress
from numpy.typing import NDArray

from tiltyard.evaluation import compare, get_metric, pair_numbers

ALPHA = 0.05
RUNS, GROUPS, MOST = 10_000, 40, 8
LIVES, CHALLENGES, LIFE_ROWS = 10_000, 10, 60

Numbers = NDArray[np.float64]
World = Callable[[np.random.Generator, NDArray[np.intp], int], tuple[Numbers, Numbers]]


def measure(scale: float) -> list[Row]:
    """The rows for groups of numbers; ``scale`` is a share of the published number of runs."""
    return [*_false_promotions(scale), *_false_lives(scale)]


def _alike(random: np.random.Generator, codes: NDArray[np.intp], groups: int) -> tuple[Numbers, Numbers]:
    """A group shifts the errors of both, of each by a shift of its kind; tails are heavy within it."""
    shifts = 2 * random.standard_t(3, (2, groups))
    first, second = shifts[:, codes] + random.standard_t(3, (2, len(codes)))
    return first, second


def _skewed(random: np.random.Generator, codes: NDArray[np.intp], groups: int) -> tuple[Numbers, Numbers]:
    """Losses of a group are one log-normal number, drawn alike for both."""
    first, second = random.lognormal(0, 1.2, (2, groups))[:, codes]
    return first, second


def _unlike(random: np.random.Generator, codes: NDArray[np.intp], groups: int) -> tuple[Numbers, Numbers]:
    """Equally good on the average: the champion misses alike in all groups, the challenger far more in one of eight."""
    bad = random.random(groups) < 1 / 8
    return np.ones(len(codes)), np.where(bad, 4.5, 0.5)[codes]


WORLDS: dict[str, World] = {
    "groups shift the errors, heavy tails": _alike,
    "one log-normal loss a group": _skewed,
    "equal on the average, far worse in one group of eight": _unlike,
}


def _false_promotions(scale: float) -> list[Row]:
    runs, metric = scaled(RUNS, scale), get_metric("mae")
    found = []
    for name, world in WORLDS.items():
        promoted = 0
        for run in show_progress(range(runs), name):
            random = np.random.default_rng([31, run])
            codes = np.repeat(np.arange(GROUPS), random.integers(1, MOST + 1, GROUPS))
            first, second = world(random, codes, GROUPS)
            zeros = np.zeros(len(codes))
            seen = compare(
                metric,
                pair_numbers(zeros, first, clusters=codes),
                pair_numbers(zeros, second, clusters=codes),
                seed=run,
            )
            promoted += seen.difference > 0 and seen.p_value < ALPHA
        found.append(make_row(f"false promotions, {GROUPS} groups of numbers: {name}", ALPHA, promoted, runs))
    return found


def _false_lives(scale: float) -> list[Row]:
    """The share of challenges lost falsely in lives of a project: each meets fresh rows, and a winner stays.

    What is promised is alpha for each challenge; how often a whole life has one false promotion follows from that.
    """
    lives, metric, zeros = scaled(LIVES // CHALLENGES, scale), get_metric("mae"), np.zeros(LIFE_ROWS)
    false, spoilt = 0, 0
    for life in show_progress(range(lives), "lives of numbers"):
        random, lost = np.random.default_rng([32, life]), 0
        for turn in range(CHALLENGES):
            first, second = random.standard_t(2, (2, LIFE_ROWS))
            seen = compare(metric, pair_numbers(zeros, first), pair_numbers(zeros, second), seed=life * 100 + turn)
            lost += seen.difference > 0 and seen.p_value < ALPHA
        false += lost
        spoilt += lost > 0
    turns = f"lives of {CHALLENGES} retrainings without a gain, heavy tails"
    return [
        make_row(f"false promotions among the challenges of {turns}", ALPHA, false, lives * CHALLENGES),
        make_row(f"lives with a false promotion: {turns}", None, spoilt, lives),
    ]
