"""Live tests whose rows depend on each other: requests of many rows, and callers who keep their side."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from tiltyard.evaluation.sequential_test import (
    LiveVerdict,
    PairedRows,
    UnitRows,
    compute_paired_evidence,
    compute_split_evidence,
    evaluate_shadow,
    evaluate_shadow_units,
    evaluate_split,
)
from tiltyard.evaluation.sequential_test.power import count_pairs_needed, count_units_needed
from tiltyard.evaluation.sequential_test.units import ANALYSES

Sides = NDArray[np.bool_]


def make_batches(*sizes: int) -> UnitRows:
    """Requests of these many rows, labelled one request after the other."""
    unit = np.repeat(np.arange(len(sizes)), sizes)
    return UnitRows(unit, np.zeros(len(unit), dtype=bool), np.array(sizes)[unit])


def make_callers(unit: NDArray[np.int64]) -> UnitRows:
    """The rows of callers, by the number of the caller of each."""
    return UnitRows(unit, np.ones(len(unit), dtype=bool), np.bincount(unit)[unit])


def expect_split(units: UnitRows, right: Sides, share: float) -> float:
    """The mean evidence over all ways in which the sides of the units can fall, for these very outcomes."""
    expected = 0.0
    for sides in product((False, True), repeat=int(units.unit.max()) + 1):
        chance = np.prod(np.where(sides, share, 1 - share))
        found = compute_split_evidence(np.array(sides)[units.unit], right, share=share, units=units)
        expected += float(chance) * found
    return expected


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_the_evidence_of_requests_is_fair_whatever_their_rows_are_like(share: float) -> None:
    """Where the side makes no difference, the evidence is 1 in expectation, for any outcomes within requests."""
    random = np.random.default_rng(1)
    sizes = (1, 30, 2, 7, 1, 12)
    right = np.concatenate([np.full(size, random.random() < 0.7) for size in sizes])
    right[5:9] = random.random(4) < 0.5
    assert expect_split(make_batches(*sizes), right, share) == pytest.approx(1.0)


def test_the_evidence_of_callers_is_at_most_fair_over_all_analyses() -> None:
    """The analyses of callers that keep their side share a single allowance, which is spent from one to the next."""
    random = np.random.default_rng(2)
    units = make_callers(random.integers(0, 5, 240))
    right = random.random(240) < np.array([0.5, 0.9, 0.7, 0.99, 0.2])[units.unit]
    analyses = 3  # at 100, 150 and 225 rows
    assert expect_split(units, right, 0.3) == pytest.approx((1 + analyses) / (ANALYSES + 1))


def test_requests_and_callers_together_are_at_most_fair() -> None:
    """Evidence of callers who come to a test of requests multiplies with what the requests gave."""
    random = np.random.default_rng(3)
    unit = np.concatenate([np.repeat(np.arange(3), 4), 3 + random.integers(0, 3, 110)])
    units = UnitRows(unit, unit >= 3, np.bincount(unit)[unit])
    right = random.random(len(unit)) < 0.8
    assert expect_split(units, right, 0.5) == pytest.approx(0.5 + 0.5 / ANALYSES)


def count_false_wins(units: UnitRows, share: float, courses: int, alike: tuple[float, float]) -> int:
    """Courses in which a challenger as often right as the champion wins, evaluated many times in each.

    Args:
        units: the rows.
        share: the challenger's share.
        courses: how many.
        alike: correlation of the outcomes of a unit's rows with the champion, and with the challenger.
    """
    random, wins, rows = np.random.default_rng(4), 0, len(units.unit)
    for _ in range(courses):
        theirs = random.random(units.unit.max() + 1) < share
        spread = 1 / np.where(theirs, alike[1], alike[0]) - 1
        right = random.random(rows) < random.beta(0.85 * spread, 0.15 * spread)[units.unit]
        # The analyses of callers are fixed, and their evidence never falls from one to the next.
        for seen in [rows] if units.is_caller.all() else np.geomspace(100, rows, 8).astype(int):
            found = compute_split_evidence(
                theirs[units.unit[:seen]], right[:seen], share=share, units=units.select(np.arange(rows) < seen)
            )
            if found >= 20:
                wins += 1
                break
    return wins


@pytest.mark.parametrize(
    ("units", "share", "alike"),
    [
        (make_batches(*[50] * 30), 0.2, (0.3, 0.3)),
        (make_batches(*[10] * 80), 0.5, (0.02, 0.3)),
        (make_callers(np.random.default_rng(5).zipf(1.5, 1500) % 20), 0.5, (0.2, 0.2)),
    ],
    ids=["batches", "unlike in how mistakes spread", "callers"],
)
def test_equals_seldom_win_however_often_they_are_compared(
    units: UnitRows, share: float, alike: tuple[float, float]
) -> None:
    """Of two versions that are equally often right, the challenger wins in at most alpha of the courses."""
    assert count_false_wins(units, share, 30, alike) <= binom.ppf(0.999, 30, 0.05)


def test_one_large_request_decides_nothing() -> None:
    """Rows of one request are one draw of the side: however many are right, one request shows nothing."""
    theirs, right = np.repeat([True, False], 500), np.repeat([True, False], 500)
    assert evaluate_split(theirs, right, share=0.5).decision == "challenger wins"
    verdict = evaluate_split(theirs, right, share=0.5, units=make_batches(500, 500))
    assert (verdict.decision, verdict.champion_units, verdict.challenger_units) == ("go on", 1, 1)
    assert "500/500 labelled rows of 1/1 requests and callers" in verdict.summary


def draw_split(gain: float, alike: float) -> tuple[Sides, Sides, UnitRows]:
    random, units = np.random.default_rng(6), make_batches(*[20] * 300)
    theirs = random.random(300) < 0.5
    rate, spread = np.where(theirs, 0.7 + gain, 0.7), 1 / alike - 1
    right = random.random(6000) < random.beta(rate * spread, (1 - rate) * spread)[units.unit]
    return theirs[units.unit], right, units


@pytest.mark.parametrize(("gain", "decision"), [(0.2, "challenger wins"), (-0.2, "champion holds")])
def test_a_large_difference_is_found_in_requests(gain: float, decision: str) -> None:
    """A gain that is clear in many requests decides, and the bounds hold the true difference."""
    theirs, right, units = draw_split(gain, 0.1)
    verdict = evaluate_split(theirs, right, share=0.5, units=units)
    assert verdict.decision == decision
    assert verdict.low < gain < verdict.high
    assert verdict.low < (verdict.difference or 0.0) < verdict.high


def test_a_request_waits_for_its_labels_but_not_for_ever() -> None:
    """A request counts when all its rows are labelled, or after a wait with those that it has; later ones are left."""
    random = np.random.default_rng(10)
    unit = np.array([0] * 5 + [*range(1, 401)] + [0] * 4)
    size, theirs = np.where(unit == 0, 9, 1), (random.random(401) < 0.5)[unit]
    units, right = UnitRows(unit, np.zeros(409, dtype=bool), size), random.random(409) < 0.8

    def shows(rows: int, changed: slice) -> bool:
        """Whether the evidence of so many rows depends on the outcomes of some of them."""
        other, chosen = right.copy(), np.arange(409) < rows
        other[changed] = ~other[changed]
        first, second = (
            compute_split_evidence(theirs[:rows], known[:rows], share=0.5, units=units.select(chosen))
            for known in (right, other)
        )
        return first != second

    early, late = slice(0, 5), slice(405, 409)
    assert [shows(50, early), shows(51, early), shows(409, early)] == [False, True, True]
    assert not shows(409, late)


def test_a_unit_that_changes_its_share_counts_with_its_first() -> None:
    """A caller was drawn once: rows that it sends under another share, perhaps on the other side, are left out."""
    random = np.random.default_rng(7)
    units = make_callers(np.tile(np.arange(40), 20))
    position = random.random(40)[units.unit]
    share = np.where(np.arange(800) < 400, 0.2, 0.6)
    right = random.random(800) < 0.8
    first = np.arange(800) < 400
    changed = evaluate_split(position < share, right, share=share, units=units)
    alone = evaluate_split(position[first] < 0.2, right[first], share=0.2, units=units.select(first))
    assert changed.e_value == pytest.approx(alone.e_value)


def test_rows_by_themselves_are_units_of_one() -> None:
    """Requests of a single row give the same verdict whether their units are named or not."""
    theirs, right, _ = draw_split(0.05, 0.1)
    named = evaluate_split(theirs, right, share=0.5, units=make_batches(*[1] * 6000))
    assert named == evaluate_split(theirs, right, share=0.5)
    assert "requests and callers" not in named.summary


def flip(lead: NDArray[np.int64], units: UnitRows) -> list[LiveVerdict]:
    """The verdicts for all ways in which the leads of whole units can fall to the other version."""
    return [
        evaluate_shadow_units(
            (0, int(np.sum(lead * sign < 0)), int(np.sum(lead * sign > 0)), int(np.sum(lead == 0))),
            PairedRows(lead * sign, units),
        )
        for signs in product((-1, 1), repeat=int(units.unit.max()) + 1)
        for sign in [np.array(signs)[units.unit]]
    ]


def test_the_evidence_of_shadowed_units_is_fair() -> None:
    """Where each unit is as likely to fall to either, the evidence is 1 in expectation; callers share an allowance."""
    random = np.random.default_rng(8)
    batches = make_batches(9, 1, 30, 4, 2)
    lead = random.choice([-1, 0, 0, 1], 46).astype(np.int64)
    assert np.mean([verdict.e_value for verdict in flip(lead, batches)]) == pytest.approx(1.0)
    callers = make_callers(random.integers(0, 4, 160))
    lead = random.choice([-1, 0, 1], 160).astype(np.int64)
    assert np.mean([verdict.e_value for verdict in flip(lead, callers)]) == pytest.approx(3 / (ANALYSES + 1))


def test_shadowed_units_find_the_better_one_and_single_rows_count_as_before() -> None:
    """A gain in many requests decides; a single large request does not; rows by themselves keep their evidence."""
    random = np.random.default_rng(9)
    units = make_batches(*[20] * 100)
    lead = random.choice([-1, 0, 1], 2000, p=[0.02, 0.9, 0.08]).astype(np.int64)
    counts = (1500, int(np.sum(lead < 0)), int(np.sum(lead > 0)), int(np.sum(lead == 0)) - 1500)
    found = evaluate_shadow_units(counts, PairedRows(lead, units))
    assert found.decision == "challenger wins"
    assert found.low < 0.06 < found.high
    one = evaluate_shadow_units((0, 0, 60, 0), PairedRows(np.ones(60, dtype=np.int64), make_batches(60)))
    assert one.decision == "go on"
    alone = PairedRows(np.zeros(2, dtype=np.int64), make_batches(2))
    assert evaluate_shadow_units((52, 4, 15, 3), alone).e_value == pytest.approx(evaluate_shadow(50, 4, 15, 3).e_value)


@pytest.mark.parametrize("batch", [1, 20])
def test_the_units_that_a_split_still_needs_find_the_gain(batch: int) -> None:
    """With as many requests as are named for a gain, it is found in about four of five tests, and not with a third."""
    random, gain, alike = np.random.default_rng(8), 0.08, 0.2
    weight = batch / (1 + (batch - 1) * alike)
    needed = count_units_needed(gain, weight / (0.8 * 0.2), alpha=0.05, side=0.25, largest_side=0.5)
    found = {needed // 3: 0, needed: 0}
    for requests, _ in product(found, range(40)):
        theirs = random.random(requests) < 0.5
        likely = random.beta(0.76 * (1 / alike - 1), 0.24 * (1 / alike - 1), requests)
        likely = np.where(theirs, likely + gain / 0.24 * (1 - likely), likely)
        right = random.random(requests * batch) < np.repeat(likely, batch)
        units = make_batches(*[batch] * requests)
        found[requests] += compute_split_evidence(np.repeat(theirs, batch), right, share=0.5, units=units) >= 20
    assert found[needed // 3] < 20
    assert found[needed] >= 28


def test_the_rows_that_a_shadow_still_needs_find_the_gain() -> None:
    """With as many labelled rows as are named for a gain, it is found in about four of five tests."""
    random, gain, apart = np.random.default_rng(3), 0.04, 0.12
    needed = count_pairs_needed(gain, apart, alpha=0.05)
    won, lost, _ = random.multinomial(needed, [apart / 2 + gain / 2, apart / 2 - gain / 2, 1 - apart], 400).T
    found = sum(compute_paired_evidence(int(w), int(n)) >= 20 for w, n in zip(won, lost, strict=True))
    assert 0.72 <= found / 400 <= 0.88


def test_a_verdict_that_goes_on_names_what_it_lacks() -> None:
    """How many requests a gain of one point takes, and how many more that is; batches of doubtful value take more."""
    random = np.random.default_rng(5)
    theirs, right = random.random(600) < 0.5, random.random(600) < 0.8
    alone = evaluate_split(theirs, right, share=0.5)
    assert alone.units_needed is not None
    assert (
        f"takes about {alone.units_needed:,} requests and callers, {alone.units_needed - 600:,} more" in alone.summary
    )
    shadow = evaluate_shadow(500, 30, 30, 40)
    assert shadow.units_needed is not None
    assert shadow.units_needed < alone.units_needed
    lead = np.repeat(random.integers(-1, 2, 30), 20)
    batches = evaluate_shadow_units((200, 200, 200, 0), PairedRows(lead, make_batches(*[20] * 30)))
    rows = evaluate_shadow(200, 200, 200, 0)
    assert batches.units_needed is not None
    assert rows.units_needed is not None
    assert 0.5 * rows.units_needed < batches.units_needed < 1.5 * rows.units_needed  # a batch says what one row says
    assert evaluate_split(theirs[:0], right[:0], share=0.5).units_needed is None
    assert "takes" not in evaluate_shadow(40, 2, 40, 10).summary
