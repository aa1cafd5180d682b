"""What the promises rest on: each rate that Tiltyard promises, next to the rate that simulations measure.

    python benchmarks/evidence.py --json evidence.json
    python benchmarks/evidence.py --chains 200

Simulated with the product's own test and its own levels: chains of 100 retrainings that bring nothing, all decided on
the same test rows, and single comparisons of challengers that are truly one point better, on as many rows as the
verdict names for their decision. About two minutes with the usual number of chains.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tiltyard.evaluation.compare import MCNEMAR, Comparison, compare_paired
from tiltyard.evaluation.intervals import wilson
from tiltyard.promotion.gates import PastDecision, next_allowance

ALPHA = 0.05
ACCURACY = 0.85
JUST_ONE = 0.08  # share of the rows on which just one of the two is right
GAIN = 0.01
POWER = 0.8
DECISIONS = 100
console = Console(stderr=True)

Right = NDArray[np.bool_]
Level = Callable[[Sequence[PastDecision]], float]


@dataclass(frozen=True)
class Row:
    """One promise.

    Attributes:
        name: what is promised.
        promised: the rate; for a false decision at most this, for a true gain at least this.
        rate: as measured.
        low, high: 95 % interval of the rate (Wilson).
        runs: how often it was simulated.
        build: "before" for a promise that held for each decision, "now" for the one for the life of a project.
    """

    name: str
    promised: float | None
    rate: float
    low: float
    high: float
    runs: int
    build: str = "now"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse_options(arguments)
    rows = [*_measure_chains(options.chains, options.test_rows), *_measure_gains(options.gains)]
    table = Table("promise", "promised", "measured", "95 % interval", "runs", "build")
    for row in rows:
        promised = "" if row.promised is None else f"{row.promised:.2f}"
        table.add_row(
            row.name, promised, f"{row.rate:.3f}", f"{row.low:.3f} to {row.high:.3f}", f"{row.runs:,}", row.build
        )
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=2) + "\n", encoding="utf-8")


def _parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--chains", type=int, default=2000, help="chains of 100 retrainings (default: 2000)")
    parser.add_argument("--gains", type=int, default=2000, help="comparisons with a true gain (default: 2000)")
    parser.add_argument("--test-rows", type=int, default=2000, help="test rows of a chain (default: 2000)")
    options = parser.parse_args(arguments)
    if min(options.chains, options.gains) < 1 or options.test_rows < 10:
        parser.error("--chains and --gains must be at least 1, --test-rows at least 10")
    return options


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
        drawn = track(range(chains), f"{name}: chains", console=console, transient=True)
        false = sum(simulate_chain(random, level, rows) for _ in drawn)
        found.append(_make_row(f"a false promotion in {DECISIONS} retrainings, {name}", promised, false, chains, build))
    return found


def _measure_gains(runs: int) -> list[Row]:
    found = []
    for decision in (1, 5, 20, DECISIONS):
        level = share_alpha([PastDecision(0.0, won=False)] * (decision - 1))
        rows = needed_rows(level)
        random = np.random.default_rng(decision)
        wins = 0
        for _ in track(range(runs), f"decision {decision}: gains", console=console, transient=True):
            champion = random.random(rows) < ACCURACY
            wins += _compare(champion, _draw_challenger(champion, random, GAIN)).p_value < level
        name = f"a gain of {GAIN:g} found by decision {decision} on {rows:,} test rows"
        found.append(_make_row(name, POWER, wins, runs, "now"))
    return found


def needed_rows(level: float) -> int:
    """The rows that a verdict names for a gain of one point."""
    seen = 10_000
    lost = round((JUST_ONE - GAIN) / 2 * seen)
    won = round((JUST_ONE + GAIN) / 2 * seen)
    likely = Comparison("accuracy", MCNEMAR, seen, ACCURACY, ACCURACY + GAIN, GAIN, 0.0, 0.0, 0.0, 0.0, lost, won)
    return likely.rows_needed(alpha=level, power=POWER, difference=GAIN) or 0


def _make_row(name: str, promised: float | None, hits: int, runs: int, build: str) -> Row:
    low, high = wilson(hits, runs)
    return Row(name, promised, hits / runs, low, high, runs, build)


if __name__ == "__main__":
    main()
