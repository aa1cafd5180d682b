"""Live tests of numbers: capped errors, by units, of any distribution."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from tests.evaluation.test_sequential_units import make_batches, make_callers
from tiltyard.errors import UsageError
from tiltyard.evaluation.sequential_test import (
    ErrorPairs,
    UnitRows,
    compute_number_shadow_evidence,
    compute_split_evidence,
    evaluate_number_shadow,
    evaluate_number_split,
    evaluate_split,
)

Numbers = NDArray[np.float64]


def pair(champion: Numbers, challenger: Numbers, units: UnitRows | None = None) -> ErrorPairs:
    return ErrorPairs(champion, challenger, UnitRows.of_single_rows(len(champion)) if units is None else units)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_split_is_fair_for_any_errors(share: float) -> None:
    """Where the side makes no difference, the evidence is 1 in expectation, whatever the errors are."""
    units, random = make_batches(1, 30, 2, 7, 1, 12), np.random.default_rng(1)
    right = 1 - np.minimum(np.abs(random.standard_t(2, len(units.unit))), 1.0)
    expected = 0.0
    for sides in product((False, True), repeat=6):
        chance = np.prod(np.where(sides, share, 1 - share))
        expected += float(chance) * compute_split_evidence(np.array(sides)[units.unit], right, share=share, units=units)
    assert expected == pytest.approx(1.0)


def test_the_shadow_is_fair_for_skewed_leads() -> None:
    """A lead that is mostly a little above 0 and seldom far below has evidence of 1 in expectation, row by row."""
    expected, chance_of_miss = 0.0, 0.02
    gain = chance_of_miss / (1 - chance_of_miss)
    for missed in product((False, True), repeat=8):
        chance = np.prod(np.where(missed, chance_of_miss, 1 - chance_of_miss))
        lead = np.where(missed, -1.0, gain)
        evidence = compute_number_shadow_evidence(pair(np.maximum(lead, 0), np.maximum(-lead, 0)), 1.0)
        expected += float(chance) * evidence
    assert expected == pytest.approx(1.0)


def draw_errors(random: np.random.Generator, unit: NDArray[np.int64], world: str) -> tuple[Numbers, Numbers]:
    """Errors of two versions that are equally good when they are capped at 1."""
    rows, units = len(unit), int(unit.max()) + 1
    if world == "heavy tails":
        level = random.lognormal(0, 0.5, units)[unit]
        return level * np.abs(random.standard_t(2, rows)) / 3, level * np.abs(random.standard_t(2, rows)) / 3
    seldom = 0.02
    missed = (random.random(units) < seldom)[unit]
    return np.full(rows, 0.3), np.where(missed, 5.0, (0.3 - seldom) / (1 - seldom))


@pytest.mark.parametrize("world", ["heavy tails", "whole units missed"])
@pytest.mark.parametrize(
    "units",
    [
        make_batches(*[1] * 400),
        make_batches(*[5] * 100),
        make_callers(np.random.default_rng(5).zipf(1.5, 1500) % 20),
    ],
    ids=["single rows", "batches", "callers"],
)
def test_equals_seldom_win_however_often_they_are_compared(units: UnitRows, world: str) -> None:
    """Of two versions with equal capped errors, the challenger wins in at most alpha of the courses, in both modes."""
    random, rows, courses = np.random.default_rng(3), len(units.unit), 40
    wins = np.zeros(2, dtype=int)
    for _ in range(courses):
        champion, challenger = draw_errors(random, units.unit, world)
        theirs = (random.random(units.unit.max() + 1) < 0.3)[units.unit]
        right = 1 - np.minimum(np.where(theirs, challenger, champion), 1.0)
        highest = np.zeros(2)
        for seen in [rows] if units.is_caller.all() else np.geomspace(50, rows, 6).astype(int):
            part = units.select(np.arange(rows) < seen)
            shadow = compute_number_shadow_evidence(pair(champion[:seen], challenger[:seen], part), 1.0)
            split = compute_split_evidence(theirs[:seen], right[:seen], share=0.3, units=part)
            highest = np.maximum(highest, [shadow, split])
        wins += highest >= 20
    assert max(wins) <= binom.ppf(0.999, courses, 0.05)


@pytest.mark.parametrize("mode", ["shadow", "split"])
def test_a_better_challenger_is_found(mode: str) -> None:
    """A challenger that misses by a fifth less wins, and the bounds of what it saves hold the truth."""
    random = np.random.default_rng(4)
    champion = np.abs(random.standard_t(3, 6000))
    challenger = 0.8 * np.abs(random.standard_t(3, 6000))
    if mode == "shadow":
        found = evaluate_number_shadow(pair(champion, challenger), 3.0)
    else:
        theirs = random.random(6000) < 0.5
        found = evaluate_number_split(theirs, np.where(theirs, challenger, champion), 3.0, share=0.5)
    assert found.decision == "challenger wins"
    saved = float(np.mean(np.minimum(champion, 3.0)) - np.mean(np.minimum(challenger, 3.0)))
    assert found.low < saved < found.high
    assert found.low > 0


def test_one_far_miss_counts_as_the_cap() -> None:
    """What lies beyond the cap counts as the cap, so that one row cannot decide."""
    champion = np.full(300, 1.0)
    challenger = np.append(np.full(299, 0.8), 1e15)
    found = evaluate_number_shadow(pair(champion, challenger), 3.0)
    assert found.challenger == pytest.approx((299 * 0.8 + 3.0) / 300)
    assert found.decision == "challenger wins"


def test_nothing_is_decided_without_labels() -> None:
    """Without a labelled row no version wins or holds."""
    empty = np.zeros(0)
    found = evaluate_number_shadow(pair(empty, empty), 1.0)
    assert (found.decision, found.champion, found.e_value) == ("go on", None, 1.0)
    assert found.units_needed is None
    split = evaluate_number_split(np.zeros(0, dtype=bool), empty, 1.0, share=0.5)
    assert (split.decision, split.challenger, split.difference) == ("go on", None, None)


@pytest.mark.parametrize("cap", [0.0, -1.0, float("inf"), float("nan")])
def test_a_cap_has_to_be_a_number_above_0(cap: float) -> None:
    """A cap that is none is refused by its value."""
    with pytest.raises(UsageError, match="cannot be capped"):
        evaluate_number_shadow(pair(np.ones(3), np.ones(3)), cap)


def test_what_does_not_fit_is_refused() -> None:
    """Lengths that differ and outcomes outside 0 to 1 are errors."""
    with pytest.raises(UsageError, match="do not fit"):
        evaluate_number_shadow(ErrorPairs(np.ones(3), np.ones(2), UnitRows.of_single_rows(3)), 1.0)
    with pytest.raises(UsageError, match="not between 0 and 1"):
        evaluate_split(np.array([True, False]), np.array([0.5, 1.5]), share=0.5)
