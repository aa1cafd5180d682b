"""Numbers: false promotions of regressors that are not better, and what prediction intervals hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from benchmarks.evidence_rates.rows import Row, make_row, scaled, show_progress
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from tiltyard.evaluation import calibrate_intervals, compare, get_metric, pair_numbers

ALPHA = 0.05
RUNS, ROWS = 10_000, 60
COVERAGE_RUNS, COVERAGE_ROWS, NEW_ROWS = 500, 480, 2_000
LEVEL = 0.9

Numbers = NDArray[np.float64]
World = Callable[[np.random.Generator, int], tuple[Numbers, Numbers]]


def measure(scale: float) -> list[Row]:
    """The rows for numbers; ``scale`` is a share of the published number of runs."""
    return [*_false_promotions(scale), *_coverage(scale)]


def _heavy_tails(random: np.random.Generator, rows: int) -> tuple[Numbers, Numbers]:
    """Both miss by Student's t with 2 degrees of freedom, whose variance is infinite."""
    return random.standard_t(2, rows), random.standard_t(2, rows)


def _skewed_labels(random: np.random.Generator, rows: int) -> tuple[Numbers, Numbers]:
    """Labels are log-normal, and both miss by a share of them that is drawn alike."""
    label = random.lognormal(0.0, 1.5, rows)
    return label * random.normal(0, 0.3, rows), label * random.normal(0, 0.3, rows)


def _unlike_losses(random: np.random.Generator, rows: int) -> tuple[Numbers, Numbers]:
    """Equally good on the average, and unlike: the champion always misses by the same, the challenger's are skewed."""
    return np.full(rows, np.exp(0.5)), random.lognormal(0.0, 1.0, rows)


WORLDS: dict[str, World] = {
    "errors with heavy tails (t, 2 degrees of freedom)": _heavy_tails,
    "log-normal labels, errors in proportion": _skewed_labels,
    "equal on the average, losses of one log-normal": _unlike_losses,
}


def _false_promotions(scale: float) -> list[Row]:
    runs, metric, zeros = scaled(RUNS, scale), get_metric("mae"), np.zeros(ROWS)
    found = []
    for name, world in WORLDS.items():
        promoted = 0
        for run in show_progress(range(runs), name):
            first, second = world(np.random.default_rng([7, run]), ROWS)
            seen = compare(metric, pair_numbers(zeros, first), pair_numbers(zeros, second), seed=run)
            promoted += seen.difference > 0 and seen.p_value < ALPHA
        found.append(make_row(f"false promotions on {ROWS} rows: {name}", ALPHA, promoted, runs))
    return found


def _coverage(scale: float) -> list[Row]:
    """The share of new rows inside their intervals, over many trainings; rows of one training share its intervals."""
    runs = scaled(COVERAGE_RUNS, scale)
    found = []
    for name, draw in (("skewed errors", _draw_skewed), ("errors that grow with the number", _draw_growing)):
        shares = []
        for run in show_progress(range(runs), f"coverage, {name}"):
            random = np.random.default_rng([8, run])
            inputs, truth = draw(random, COVERAGE_ROWS)
            held_out = np.empty(COVERAGE_ROWS)
            for rows, others in KFold(5, shuffle=True, random_state=0).split(inputs):
                held_out[others] = Ridge().fit(inputs[rows], truth[rows]).predict(inputs[others])
            intervals = calibrate_intervals(pair_numbers(truth, held_out), LEVEL, "cross-conformal")
            model = Ridge().fit(inputs, truth)
            fresh, outcome = draw(random, NEW_ROWS)
            shares.append(intervals.measure(pair_numbers(outcome, model.predict(fresh))).share)
        mean, margin = float(np.mean(shares)), 1.96 * float(np.std(shares, ddof=1)) / runs**0.5
        label = f"new rows inside {LEVEL:.0%} intervals: {name}"
        found.append(Row(label, LEVEL, mean, mean - margin, mean + margin, runs, least=True))
    return found


def _draw_skewed(random: np.random.Generator, rows: int) -> tuple[Numbers, Numbers]:
    inputs = random.normal(size=(rows, 5))
    return inputs, inputs @ np.array([1.0, 2.0, 0.0, 0.0, 1.0]) + random.exponential(1.0, rows)


def _draw_growing(random: np.random.Generator, rows: int) -> tuple[Numbers, Numbers]:
    inputs = random.uniform(0, 1, size=(rows, 5))
    level = 10 * inputs[:, 0] + 1
    return inputs, level + level * random.normal(0, 0.2, rows)
