"""Estimates of the error without labels: how often their intervals hold what all labels would show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from benchmarks.evidence_rates.rows import Row, make_row, scaled, show_progress
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from tiltyard.evaluation import pair_numbers
from tiltyard.monitoring.estimates.direct_loss import estimate_mean_errors
from tiltyard.monitoring.estimates.error_model import fit_error_model

RUNS, ROWS, NEW_ROWS = 500, 800, 500
LEVEL = 0.95

Numbers = NDArray[np.float64]
World = Callable[[np.random.Generator, int, float], tuple[Numbers, Numbers]]
"""Inputs and true numbers of rows whose first input, uniform from 0 to 1, is tilted upwards by a number from 0 to 1."""


def measure(scale: float) -> list[Row]:
    """The rows of this topic."""
    runs = scaled(RUNS, scale)
    found = []
    for name, world in WORLDS.items():
        for tilt in (0.0, 0.5, 0.9):
            inside = {"mae": 0, "rmse": 0}
            unmoved = 0
            for run in show_progress(range(runs), f"{name}, tilt {tilt:g}"):
                held, still = _estimate_once(world, np.random.default_rng([31, run]), tilt)
                inside = {metric: inside[metric] + held[metric] for metric in inside}
                unmoved += still
            inputs = "inputs as before" if not tilt else f"inputs tilted by {tilt:g}"
            for metric, count in inside.items():
                found.append(make_row(f"the interval holds the {metric}, {inputs}: {name}", LEVEL, count, runs))
            found.append(make_row(f"the mae at training is inside, {inputs}: {name}", None, unmoved, runs))
    return found


def _estimate_once(world: World, random: np.random.Generator, tilt: float) -> tuple[dict[str, bool], bool]:
    inputs, truth = world(random, ROWS, 0.0)
    held_out = np.empty(ROWS)
    for rows, others in KFold(5, shuffle=True, random_state=0).split(inputs):
        held_out[others] = Ridge().fit(inputs[rows], truth[rows]).predict(inputs[others])
    errors = fit_error_model(_frame(inputs), pair_numbers(truth, held_out))
    if errors is None:
        raise ValueError("too few rows")
    fresh, outcome = world(random, NEW_ROWS, tilt)
    predicted = Ridge().fit(inputs, truth).predict(fresh)
    figures = estimate_mean_errors(errors, _frame(fresh), predicted)
    missed = np.abs(predicted - outcome)
    true = {"mae": float(missed.mean()), "rmse": float(np.sqrt(np.mean(missed**2)))}
    before = float(np.mean(np.abs(held_out - truth)))
    held = {}
    for name, value in true.items():
        interval = figures[name].interval
        held[name] = interval is not None and interval.low <= value <= interval.high
    interval = figures["mae"].interval
    return held, interval is not None and interval.low <= before <= interval.high


def _frame(inputs: Numbers) -> pd.DataFrame:
    return pd.DataFrame(inputs, columns=[f"x{place}" for place in range(inputs.shape[1])])


def _draw_inputs(random: np.random.Generator, rows: int, tilt: float) -> Numbers:
    """Five inputs; the density of the first is 1 - tilt + 2 tilt x."""
    inputs = random.uniform(0, 1, size=(rows, 5))
    tilted = random.random(rows) < tilt
    inputs[tilted, 0] = np.sqrt(inputs[tilted, 0])
    return inputs


def _growing(random: np.random.Generator, rows: int, tilt: float) -> tuple[Numbers, Numbers]:
    """Errors that grow fivefold over the first input."""
    inputs = _draw_inputs(random, rows, tilt)
    return inputs, 10 * inputs[:, 0] + (0.5 + 2 * inputs[:, 0]) * random.normal(size=rows)


def _skewed(random: np.random.Generator, rows: int, tilt: float) -> tuple[Numbers, Numbers]:
    """Skewed errors, larger in the upper half of the first input."""
    inputs = _draw_inputs(random, rows, tilt)
    scale = np.where(inputs[:, 0] > 0.5, 2.0, 1.0)
    return inputs, 5 * inputs[:, 1] + scale * random.exponential(1.0, rows)


def _heavy(random: np.random.Generator, rows: int, tilt: float) -> tuple[Numbers, Numbers]:
    """Errors with heavy tails (Student's t with 3 degrees of freedom), which grow over the first input."""
    inputs = _draw_inputs(random, rows, tilt)
    return inputs, 5 * inputs[:, 1] + (0.5 + inputs[:, 0]) * random.standard_t(3, rows)


def _curved(random: np.random.Generator, rows: int, tilt: float) -> tuple[Numbers, Numbers]:
    """A curve that a straight line misses most at both ends."""
    inputs = _draw_inputs(random, rows, tilt)
    return inputs, 20 * (inputs[:, 0] - 0.5) ** 2 + random.normal(0, 0.5, rows)


WORLDS: dict[str, World] = {
    "errors that grow with an input": _growing,
    "skewed errors of two sizes": _skewed,
    "heavy tails (t, 3 degrees of freedom)": _heavy,
    "a curve predicted by a line": _curved,
}
