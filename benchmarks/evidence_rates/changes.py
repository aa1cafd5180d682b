"""Changes of the error rate: how often a rise is found in the errors of a version whose rate is constant.

Errors of batches (one after the other) and of callers, each of whom sends in a stretch of time. The rate of a batch or
caller is drawn (beta distribution, mean 0.15). "Before" takes each row for a value of the stream, "now" each request or
caller, where their errors come together. The last rows have a rise in the second half.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from benchmarks.evidence_rates.rows import Row, compare_power, make_row, scaled, show_progress
from numpy.typing import NDArray

from tiltyard.evaluation.resampling.error_units import arrange_stream
from tiltyard.monitoring.change_detection import detect_error_rise
from tiltyard.project import MonitoringSection

ALPHA = MonitoringSection().false_alarm_rate
LEAST = MonitoringSection().min_rows
RATE = 0.15
RISES = ((500, 10, 0.2, 0.15), (200, 50, 0.2, 0.2), (200, 50, 0.2, 0.3), (400, 5, 0.0, 0.1))

Stream = tuple[NDArray[np.bool_], list[str | None]]


def measure(scale: float) -> list[Row]:
    """The rows of this topic; about two minutes with ``scale`` 1."""
    runs = scaled(1_000, scale)
    rows = []
    for batches, size, alike in ((100, 50, 0.2), (500, 10, 0.2), (100, 200, 0.2), (100, 50, 0.02), (1000, 5, 0.0)):
        name = f"{batches} batches of {size} rows, correlation {alike}: a change is found though there is none"
        rows += _measure(name, runs, ALPHA, partial(draw_batches, batches=batches, size=size, alike=alike))
    rows += _measure("150 callers, correlation 0.2: a change is found though there is none", runs, ALPHA, draw_callers)
    for batches, size, alike, rise in RISES:
        name = (
            f"{batches} batches of {size} rows, correlation {alike}: a rise from {RATE} to {RATE + rise:.2f} is found"
        )
        drawn = partial(draw_batches, batches=batches, size=size, alike=alike, rise=rise)
        found = _count_found(name, runs, drawn)
        if alike:
            rows += [make_row(name, None, hits, runs, build) for build, hits in found.items()]
        else:
            rows += compare_power(name, found["before"], found["now"], runs)
    return rows


def draw_batches(random: np.random.Generator, batches: int, size: int, alike: float, rise: float = 0.0) -> Stream:
    """Errors of batches; the rate is higher by ``rise`` in the second half."""
    mean = np.where(np.arange(batches) < batches / 2, RATE, RATE + rise)
    levels = _draw_levels(random, mean, alike)
    units: list[str | None] = [f"r{unit}" for unit in range(batches) for _ in range(size)]
    return random.random(batches * size) < np.repeat(levels, size), units


def draw_callers(random: np.random.Generator, callers: int = 150, rows: int = 4_000) -> Stream:
    """Errors of callers with unequal traffic, each of whom sends for up to a fifth of the time."""
    levels = _draw_levels(random, np.full(callers, RATE), 0.2)
    traffic = random.pareto(1.5, callers) + 1
    begin, length = random.random(callers), 0.2 * random.random(callers)
    caller = random.choice(callers, rows, p=traffic / traffic.sum())
    caller = caller[np.argsort(begin[caller] + random.random(rows) * length[caller])]
    return random.random(rows) < levels[caller], [f"c{one}" for one in caller]


def _draw_levels(random: np.random.Generator, mean: NDArray[np.float64], alike: float) -> NDArray[np.float64]:
    return random.beta(mean * (1 / alike - 1), (1 - mean) * (1 / alike - 1)) if alike else mean


def is_found(stream: Stream, build: str) -> bool:
    """Whether a rise is found, as a monitoring run does."""
    errors, units = stream
    if build == "before":
        return detect_error_rise(errors, ALPHA) is not None
    arranged = arrange_stream(errors, units)
    return len(arranged.values) >= LEAST and detect_error_rise(arranged.values, ALPHA) is not None


def _measure(name: str, runs: int, promised: float, draw: Callable[[np.random.Generator], Stream]) -> list[Row]:
    found = _count_found(name, runs, draw)
    return [make_row(name, promised, hits, runs, build) for build, hits in found.items()]


def _count_found(name: str, runs: int, draw: Callable[[np.random.Generator], Stream]) -> dict[str, int]:
    random = np.random.default_rng(87)
    hits = {"before": 0, "now": 0}
    for _ in show_progress(range(runs), name):
        stream = draw(random)
        for build in hits:
            hits[build] += is_found(stream, build)
    return hits
