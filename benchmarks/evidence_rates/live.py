"""False wins of the live test between two versions that are equally often right, and the gains that it finds.

Requests of 1 to 200 rows, and callers with unequal traffic (Zipf) who keep their side. Rows of one unit are alike:
the accuracy of each unit is drawn from a beta distribution. Each test is evaluated again and again as labels come.
"before" took each row for a draw of the side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from benchmarks.evidence_rates.rows import Row, compare_power, make_row, scaled, show_progress
from numpy.typing import NDArray

from tiltyard.evaluation.sequential_test import (
    PairedRows,
    UnitRows,
    compute_paired_evidence,
    compute_split_evidence,
    evaluate_shadow_units,
)

ALPHA = 0.05
ACCURACY = 0.85
ALIKE = 0.2  # correlation of the outcomes of two rows of one unit
SHARES = (0.05, 0.2, 0.5)
EVALUATIONS = 12
APART = 0.1  # share of the rows on which just one of two versions is right that predict the same inputs

Sides = NDArray[np.bool_]
Draw = Callable[[np.random.Generator], UnitRows]


@dataclass(frozen=True)
class Traffic:
    """Labelled rows as they come.

    Attributes:
        name: what sends them.
        draw: draws the units of all rows.
    """

    name: str
    draw: Draw


def measure(scale: float) -> list[Row]:
    """The rows of this topic; about ten minutes with ``scale`` 1."""
    runs = scaled(2000, scale)
    return [*_measure_equals(runs), *_measure_unlike(runs), *_measure_gains(scaled(500, scale)), *_measure_shadow(runs)]


def make_requests(size: int, requests: int) -> Traffic:
    """Requests of so many rows each."""

    def draw(random: np.random.Generator) -> UnitRows:
        del random
        rows = size * requests
        return UnitRows(np.repeat(np.arange(requests), size), np.zeros(rows, dtype=bool), np.full(rows, size))

    return Traffic(f"requests of {size} row{'s' * (size > 1)}", draw)


def make_callers(callers: int, rows: int) -> Traffic:
    """Callers who keep their side; the k-th sends 1 / k of what the first sends."""

    def draw(random: np.random.Generator) -> UnitRows:
        share = 1 / np.arange(1, callers + 1)
        unit = random.choice(callers, rows, p=share / share.sum())
        return UnitRows(unit, np.ones(rows, dtype=bool), np.bincount(unit, minlength=callers)[unit])

    return Traffic(f"{callers} callers", draw)


TRAFFIC = (
    make_requests(1, 2000),
    make_requests(10, 300),
    make_requests(50, 120),
    make_requests(200, 60),
    make_callers(5, 2000),
    make_callers(20, 2000),
    make_callers(100, 2000),
    make_callers(500, 2000),
)


def draw_outcomes(
    random: np.random.Generator, units: UnitRows, share: float, gain: float, alike: tuple[float, float]
) -> tuple[Sides, Sides]:
    """The side of each row, and whether it was right.

    Args:
        random: source of chance.
        units: the rows.
        share: the challenger's share of the units.
        gain: how much more often the challenger is right.
        alike: correlation of two rows of a unit, with the champion and with the challenger.
    """
    number = int(units.unit.max()) + 1
    theirs = random.random(number) < share
    rate, pairs = np.where(theirs, ACCURACY + gain, ACCURACY), 1 / np.where(theirs, alike[1], alike[0]) - 1
    right = random.random(len(units.unit)) < random.beta(rate * pairs, (1 - rate) * pairs)[units.unit]
    return theirs[units.unit], right


def find_win(theirs: Sides, right: Sides, share: float, units: UnitRows) -> bool:
    """Whether the challenger ever wins, evaluated at twelve numbers of labels."""
    rows = len(right)
    # The analyses of callers are fixed, and their evidence never falls from one to the next.
    for seen in [rows] if units.is_caller.all() else list_evaluations(rows):
        of_rows = units.select(np.arange(rows) < seen)
        if compute_split_evidence(theirs[:seen], right[:seen], share=share, units=of_rows) >= 1 / ALPHA:
            return True
    return False


def list_evaluations(rows: int) -> NDArray[np.int64]:
    """The numbers of labelled rows at which a test of so many rows is evaluated."""
    return np.unique(np.geomspace(50, rows, EVALUATIONS).astype(np.int64))


def find_win_by_rows(theirs: Sides, right: Sides, share: float) -> bool:
    """Whether the challenger ever wins by the test that was in use before: each row is a draw of the side."""
    estimates = []
    for side in (theirs, ~theirs):
        hits, rows = np.cumsum(side & right), np.cumsum(side)
        estimates.append((np.append(0, hits[:-1]) + 0.5) / (np.append(0, rows[:-1]) + 1))
    own, other = estimates
    mixed, staked = share * own + (1 - share) * other, np.where(theirs, own, other)
    odds = np.where(right, staked / mixed, (1 - staked) / (1 - mixed))
    evidence = np.cumsum(np.log(np.where(own > other, odds, 1.0)))
    return bool(evidence[list_evaluations(len(right)) - 1].max() >= -np.log(ALPHA))


def _measure_equals(runs: int) -> list[Row]:
    found = []
    for traffic in TRAFFIC:
        for share in SHARES:
            name = f"a false win of an equal challenger, {traffic.name}, share {share:g}"
            random, before, now = np.random.default_rng(1), 0, 0
            for _ in show_progress(range(runs), name):
                units = traffic.draw(random)
                theirs, right = draw_outcomes(random, units, share, 0.0, (ALIKE, ALIKE))
                before += find_win_by_rows(theirs, right, share)
                now += find_win(theirs, right, share, units)
            found += [make_row(name, ALPHA, before, runs, "before"), make_row(name, ALPHA, now, runs)]
    return found


def _measure_unlike(runs: int) -> list[Row]:
    """Equally often right, but the mistakes of one of the two come together in few units."""
    found = []
    for traffic in (make_requests(10, 300), make_requests(50, 120), make_callers(100, 2000)):
        for share in SHARES:
            for alike in ((0.02, 0.3), (0.3, 0.02)):
                who = "challenger" if alike[1] > alike[0] else "champion"
                name = f"a false win, the {who}'s mistakes in few units, {traffic.name}, share {share:g}"
                random, wins = np.random.default_rng(2), 0
                for _ in show_progress(range(runs), name):
                    units = traffic.draw(random)
                    wins += find_win(*draw_outcomes(random, units, share, 0.0, alike), share, units)
                found.append(make_row(name, ALPHA, wins, runs))
    return found


def _measure_gains(runs: int) -> list[Row]:
    """A gain of five points, by the test of units and by that of rows; requests of one row suit both."""
    found = []
    for traffic, share, alike in (
        (make_requests(1, 1800), 0.5, ALIKE),
        (make_requests(1, 4500), 0.1, ALIKE),
        (make_requests(10, 700), 0.5, 0.05),
        (make_requests(50, 300), 0.5, 0.05),
        (make_requests(200, 150), 0.5, 0.02),
        (make_callers(100, 20_000), 0.5, 0.02),
        (make_callers(500, 20_000), 0.5, 0.02),
    ):
        random, before, now = np.random.default_rng(3), 0, 0
        units = traffic.draw(random)
        rows, number = len(units.unit), len(np.unique(units.unit))
        name = f"a gain of 0.05 found in {rows:,} rows of {traffic.name} ({number:,} units), share {share:g}"
        for _ in show_progress(range(runs), name):
            theirs, right = draw_outcomes(random, units, share, 0.05, (alike, alike))
            before += find_win_by_rows(theirs, right, share)
            now += find_win(theirs, right, share, units)
        found += compare_power(name, before, now, runs) if rows == number else [make_row(name, None, now, runs)]
    return found


def _measure_shadow(runs: int) -> list[Row]:
    """Two versions that predict the same inputs, of which each is better in some units."""
    found = []
    for traffic in (make_requests(50, 60), make_callers(20, 2000)):
        name = f"a false win in the shadow, {traffic.name}"
        random, before, now = np.random.default_rng(4), 0, 0
        for _ in show_progress(range(runs), name):
            units = traffic.draw(random)
            rows, number = len(units.unit), int(units.unit.max()) + 1
            won = random.random(rows) < random.beta(1.2, 1.2, number)[units.unit]
            lead = np.where(random.random(rows) < APART, np.where(won, 1, -1), 0)
            moments = list_evaluations(rows)
            before += any(
                compute_paired_evidence(int(np.sum(lead[:seen] > 0)), int(np.sum(lead[:seen] < 0))) >= 1 / ALPHA
                for seen in moments
            )
            moments = moments[-1:] if units.is_caller.all() else moments
            now += any(_wins_in_shadow(lead[:seen], units.select(np.arange(rows) < seen)) for seen in moments)
        found += [make_row(name, ALPHA, before, runs, "before"), make_row(name, ALPHA, now, runs)]
    return found


def _wins_in_shadow(lead: NDArray[np.int64], units: UnitRows) -> bool:
    counts = (int(np.sum(lead == 0)), int(np.sum(lead < 0)), int(np.sum(lead > 0)), 0)
    return evaluate_shadow_units(counts, PairedRows(lead, units)).decision == "challenger wins"
