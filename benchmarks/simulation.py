"""Deterministic simulation: processes that die and pause, clocks that jump, a registry and a database that fail.

    python benchmarks/simulation.py --steps 1000000 --seed 1 --json simulation.json

Tiltyard's own code for alias changes, leases, spools, shipping and supervision runs one step at a time in a simulated
world (``benchmarks/simulated``). At the end of each episode it must hold that a prediction that was sent is recorded
once, that a champion has a decision, and that there was one decision at a time. The same seed gives the same run: one
episode again is ``--steps N --seed SEED/EPISODE`` as the report names it. Exit code 1 where something is broken.

Keys of the JSON: ``steps``, ``broken`` (a sentence for each, with the seed of its episode), ``seed``, ``episodes``,
``counts`` (what happened), ``seconds``.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.simulated.episode import prepare_spool, run_episode

EPISODE_STEPS = 2500


def simulate(steps: int, seed: str) -> dict[str, Any]:
    """Run episodes until so many steps were taken.

    Args:
        steps: how many, at least.
        seed: of all episodes, ``7``, or of one, ``7/12``.
    """
    began, taken, episodes = time.monotonic(), 0, 0
    broken: list[str] = []
    counts: Counter[str] = Counter()
    with prepare_spool() as root:
        while taken < steps:
            own = seed if "/" in seed else f"{seed}/{episodes}"
            report = run_episode(own, min(EPISODE_STEPS, steps), root)
            taken, episodes = taken + report.steps, episodes + 1
            counts += report.counts
            broken += [f"{own}: {sentence}" for sentence in report.broken]
            if "/" in seed:
                break
    return {
        "steps": taken,
        "broken": broken,
        "seed": seed,
        "episodes": episodes,
        "counts": dict(sorted(counts.items())),
        "seconds": round(time.monotonic() - began, 1),
    }


@click.command()
@click.option("--steps", default=100_000, show_default=True, help="How many steps to take, at least.")
@click.option("--seed", default="1", show_default=True, help="A number; NUMBER/EPISODE for one episode.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Where to write the result.")
def main(steps: int, seed: str, target: Path | None) -> None:
    """Simulate, and say what did not hold."""
    logging.disable(logging.CRITICAL)
    result = simulate(steps, seed)
    text = json.dumps(result, indent=2)
    click.echo(text)
    if target is not None:
        target.write_text(f"{text}\n", encoding="utf-8")
    sys.exit(1 if result["broken"] else 0)


if __name__ == "__main__":
    main()
