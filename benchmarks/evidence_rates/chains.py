"""False promotions in the life of a project, and the gains that are still found.

Chains of 100 retrainings that bring nothing, all decided on the same test rows with the product's own test and levels,
and single comparisons of challengers that are truly one point better, on as many rows as the verdict names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from benchmarks.evidence_rates.rows import Row, make_row, scaled, show_progress
from numpy.typing import NDArray

from tiltyard.evaluation.paired_comparison import compare_paired
from tiltyard.evaluation.resampling.comparison import MCNEMAR, Comparison
from tiltyard.promotion.gates import PastDecision, next_allowance

ALPHA = 0.05
ACCURACY = 0.85
JUST_ONE = 0.08  # share of the rows on which just one of the two is right
GAIN = 0.01
POWER = 0.8
DECISIONS = 100
TEST_ROWS = 2000

Right = NDArray[np.bool_]
Level = Callable[[Sequence[PastDecision]], float]


def measure(scale: float) -> list[Row]:
    """The rows of this topic; about two minutes with ``scale`` 1."""
    return [*_measure_chains(scaled(2000, scale), TEST_ROWS), *_measure_gains(scaled(2000, scale))]


def share_alpha(past: Sequence[PastDecision]) -> float:
    """The level of the next decision where all of them share alpha."""
    return next_allowance(ALPHA, past).level


RULES: dict[str, tuple[Level, str, float | None]] = {
    "'better'": (lambda _past: 1.0, "before", None),
    "'significant', alpha for each decision": (lambda _past: ALPHA, "before", ALPHA),
    "'significant', alpha for the project": (share_alpha, "now", ALPHA),
}


def simulate_chain(random: np.random.Generator, level: Level, rows: int, decisions: int = DECISIONS) -> bool:
    """Whether a chain of challengers as good as the champion, on the same test rows, has a false promotion."""
    champion = random.random(rows) < ACCURACY
    past: list[PastDecision] = []
    for _ in range(decisions):
        found = _compare(champion, _draw_challenger(champion, random, 0.0))
        allowed = level(past)
        won = found.difference > 0 and found.p_value < allowed
        if won:
            return True
        past.append(PastDecision(allowed, won))
    return False


def _draw_challenger(champion: Right, random: np.random.Generator, gain: float) -> Right:
    """Which rows a challenger is right on whose true accuracy is the champion's and the gain."""
    lost, won = (JUST_ONE - gain) / 2, (JUST_ONE + gain) / 2
    flips = random.random(len(champion)) < np.where(champion, lost / ACCURACY, won / (1 - ACCURACY))
    return np.asarray(champion ^ flips, dtype=np.bool_)


def _compare(champion: Right, challenger: Right) -> Comparison:
    names = np.array(["wrong", "right"])
    return compare_paired(
        names[np.ones(len(champion), dtype=int)], names[champion.astype(int)], names[challenger.astype(int)]
    )


def _measure_chains(chains: int, rows: int) -> list[Row]:
    found = []
    for name, (level, build, promised) in RULES.items():
        random = np.random.default_rng(1)
        drawn = show_progress(range(chains), f"{name}: chains")
        false = sum(simulate_chain(random, level, rows) for _ in drawn)
        found.append(make_row(f"a false promotion in {DECISIONS} retrainings, {name}", promised, false, chains, build))
    return found


def _measure_gains(runs: int) -> list[Row]:
    found = []
    for decision in (1, 5, 20, DECISIONS):
        level = share_alpha([PastDecision(0.0, won=False)] * (decision - 1))
        rows = needed_rows(level)
        random = np.random.default_rng(decision)
        wins = 0
        for _ in show_progress(range(runs), f"decision {decision}: gains"):
            champion = random.random(rows) < ACCURACY
            wins += _compare(champion, _draw_challenger(champion, random, GAIN)).p_value < level
        name = f"a gain of {GAIN:g} found by decision {decision} on {rows:,} test rows"
        found.append(make_row(name, POWER, wins, runs, "now"))
    return found


def needed_rows(level: float) -> int:
    """The rows that a verdict names for a gain of one point."""
    seen = 10_000
    lost = round((JUST_ONE - GAIN) / 2 * seen)
    won = round((JUST_ONE + GAIN) / 2 * seen)
    likely = Comparison("accuracy", MCNEMAR, seen, ACCURACY, ACCURACY + GAIN, GAIN, 0.0, 0.0, 0.0, 0.0, lost, won)
    return likely.rows_needed(alpha=level, power=POWER, difference=GAIN) or 0
