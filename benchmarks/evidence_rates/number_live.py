"""Live tests of numbers, and the watch of a new champion: false verdicts on versions as good, and what is found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from benchmarks.evidence_rates.live import Traffic, list_evaluations, make_callers, make_requests
from benchmarks.evidence_rates.rows import Row, make_row, scaled, show_progress
from numpy.typing import NDArray

from tiltyard.evaluation.sequential_test import (
    CAP_ERRORS,
    ErrorPairs,
    UnitRows,
    compute_number_shadow_evidence,
    compute_paired_evidence,
    compute_split_evidence,
)
from tiltyard.pipeline.remediation.canary_checks import WATCH_CAP_ERRORS

ALPHA = 0.05
RUNS, GAIN_RUNS = 2000, 500
SHARE = 0.3

Numbers = NDArray[np.float64]
World = Callable[[np.random.Generator, NDArray[np.int64], float], tuple[Numbers, Numbers]]
"""Absolute errors of champion and challenger for rows of these units; the challenger's are less by so large a share."""


def measure(scale: float) -> list[Row]:
    """The rows of this topic."""
    runs, gain_runs = scaled(RUNS, scale), scaled(GAIN_RUNS, scale)
    return [*_measure_equals(runs), *_measure_gains(gain_runs), *_measure_watch(runs, gain_runs)]


def _heavy_tails(random: np.random.Generator, unit: NDArray[np.int64], less: float) -> tuple[Numbers, Numbers]:
    """Student's t with 2 degrees of freedom, and units that are harder than others; capped at three mean errors."""
    level = random.lognormal(0, 0.5, int(unit.max()) + 1)[unit] / (CAP_ERRORS * np.sqrt(2.0))
    errors = [np.abs(random.standard_t(2, len(unit))) * level for _ in range(2)]
    return errors[0], errors[1] * (1 - less)


def _log_normal(random: np.random.Generator, unit: NDArray[np.int64], less: float) -> tuple[Numbers, Numbers]:
    """Errors in proportion to labels that are log-normal."""
    label = random.lognormal(0, 1.5, len(unit)) / (CAP_ERRORS * np.exp(1.5**2 / 2) * 0.24)
    errors = [label * np.abs(random.normal(0, 0.3, len(unit))) for _ in range(2)]
    return errors[0], errors[1] * (1 - less)


def _rare_rows(random: np.random.Generator, unit: NDArray[np.int64], less: float) -> tuple[Numbers, Numbers]:
    """Equal capped errors on the average: the challenger is a little nearer on nearly all rows, and far off on 2 %."""
    return _miss_rarely(random.random(len(unit)) < 0.02, less)


def _rare_units(random: np.random.Generator, unit: NDArray[np.int64], less: float) -> tuple[Numbers, Numbers]:
    """The same, where the challenger is far off on all rows of 2 % of the units."""
    return _miss_rarely((random.random(int(unit.max()) + 1) < 0.02)[unit], less)


def _rare_units_of_champion(
    random: np.random.Generator, unit: NDArray[np.int64], less: float
) -> tuple[Numbers, Numbers]:
    """The same, where it is the champion that is far off on all rows of 2 % of the units."""
    return _rare_units(random, unit, less)[::-1]


def _miss_rarely(missed: NDArray[np.bool_], less: float) -> tuple[Numbers, Numbers]:
    return np.full(len(missed), 0.3), np.where(missed, 5.0, (0.3 - 0.02) / 0.98) * (1 - less)


WORLDS: dict[str, World] = {
    "errors with heavy tails (t, 2 degrees of freedom)": _heavy_tails,
    "errors in proportion to log-normal labels": _log_normal,
    "a challenger far off on 2 % of the rows": _rare_rows,
    "a challenger far off on 2 % of the units": _rare_units,
    "a champion far off on 2 % of the units": _rare_units_of_champion,
}

TRAFFIC = (
    make_requests(1, 2000),
    make_requests(10, 200),
    make_requests(50, 60),
    make_callers(20, 2000),
    make_callers(200, 2000),
)


def find_wins(
    champion: Numbers, challenger: Numbers, side: NDArray[np.bool_], share: float, units: UnitRows
) -> tuple[bool, bool]:
    """Whether the challenger ever wins in the shadow and in the split; errors are shares of the cap."""
    rows = len(champion)
    right = 1 - np.minimum(np.where(side, challenger, champion), 1.0)
    shadow = split = False
    # The analyses of callers are fixed, and their evidence never falls from one to the next.
    for seen in [rows] if units.is_caller.all() else list_evaluations(rows):
        part = units.select(np.arange(rows) < seen)
        pairs = ErrorPairs(champion[:seen], challenger[:seen], part)
        shadow = shadow or compute_number_shadow_evidence(pairs, 1.0) >= 1 / ALPHA
        split = split or compute_split_evidence(side[:seen], right[:seen], share=share, units=part) >= 1 / ALPHA
    return shadow, split


def _measure_equals(runs: int) -> list[Row]:
    found = []
    for name, world in WORLDS.items():
        for traffic in TRAFFIC:
            wins = _count_wins(runs, name, world, traffic, SHARE, 0.0)
            for mode, count in zip(("shadow", "split"), wins, strict=True):
                found.append(make_row(f"a false win in the {mode}, {traffic.name}: {name}", ALPHA, count, runs))
    return found


def _measure_gains(runs: int) -> list[Row]:
    """A challenger that misses by a fifth less."""
    found = []
    for traffic in (make_requests(1, 2000), make_requests(10, 400), make_requests(50, 200), make_callers(500, 20_000)):
        name = next(iter(WORLDS))
        wins = _count_wins(runs, name, WORLDS[name], traffic, 0.5, 0.2)
        rows = len(traffic.draw(np.random.default_rng(0)).unit)
        for mode, count in zip(("shadow", "split"), wins, strict=True):
            found.append(
                make_row(f"an error less by a fifth found in {rows:,} rows, {mode}, {traffic.name}", None, count, runs)
            )
    return found


def _count_wins(runs: int, name: str, world: World, traffic: Traffic, share: float, less: float) -> tuple[int, int]:
    random, shadow, split = np.random.default_rng(21), 0, 0
    for _ in show_progress(range(runs), f"{name}, {traffic.name}"):
        units = traffic.draw(random)
        champion, challenger = world(random, units.unit, less)
        side = (random.random(int(units.unit.max()) + 1) < share)[units.unit]
        won = find_wins(champion, challenger, side, share, units)
        shadow, split = shadow + won[0], split + won[1]
    return shadow, split


Errors = Callable[[np.random.Generator, int], tuple[Numbers, Numbers]]
"""Absolute errors of a new champion and of the previous one on n rows, in units of the latter's mean error."""


def _alike(random: np.random.Generator, rows: int) -> tuple[Numbers, Numbers]:
    both = np.abs(random.normal(size=(2, rows))) / np.sqrt(2 / np.pi)
    return both[0], both[1]


def _skewed_before(random: np.random.Generator, rows: int) -> tuple[Numbers, Numbers]:
    """Equal on the average; the previous version is nearer on two rows of three, and far off on some of the others."""
    return 1 + 0.1 * random.uniform(-1, 1, rows), random.lognormal(-0.5, 1.0, rows)


def _better(random: np.random.Generator, rows: int) -> tuple[Numbers, Numbers]:
    new, before = _skewed_before(random, rows)
    return 0.9 * new, before


def _worse(random: np.random.Generator, rows: int) -> tuple[Numbers, Numbers]:
    new, before = _alike(random, rows)
    return 1.3 * new, before


WATCHED: dict[str, Errors] = {
    "errors alike": _alike,
    "as good, farther off on most rows": _skewed_before,
    "better by a tenth, farther off on most rows": _better,
}


def is_accused(new: Numbers, before: Numbers) -> tuple[bool, bool]:
    """Whether a new champion is ever found worse: by its errors, and as before by which of the two is nearer."""
    by_errors = by_nearness = False
    for seen in list_evaluations(len(new)):
        mine, theirs = new[:seen], before[:seen]
        pairs = ErrorPairs(mine, theirs, UnitRows.of_single_rows(seen))
        by_errors = by_errors or compute_number_shadow_evidence(pairs, WATCH_CAP_ERRORS) >= 1 / ALPHA
        counts = int(np.sum(theirs < mine)), int(np.sum(mine < theirs))
        by_nearness = by_nearness or compute_paired_evidence(*counts) >= 1 / ALPHA
    return by_errors, by_nearness


def _measure_watch(runs: int, gain_runs: int) -> list[Row]:
    found = []
    cases: list[tuple[str, Errors, int, float | None]] = [
        (f"a new champion accused on 1,000 labels: {name}", world, 1000, ALPHA) for name, world in WATCHED.items()
    ]
    cases += [(f"errors larger by 30% found on {rows} labels", _worse, rows, None) for rows in (200, 400)]
    for name, world, rows, promised in cases:
        random, number = np.random.default_rng(22), runs if promised else gain_runs
        accused = [is_accused(*world(random, rows)) for _ in show_progress(range(number), name)]
        for place, build in enumerate(("now", "before")):
            found.append(make_row(name, promised, sum(one[place] for one in accused), number, build))
    return found
