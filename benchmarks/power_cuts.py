"""Power cuts: is what was acknowledged there when the power is back, and does everything open?

    python benchmarks/power_cuts.py --cuts 10000 --json cuts.json

Each story (``benchmarks/power/stories``) runs our own code once, under strace. Its system calls are replayed over a
model of a disk that forgets what was not synced, and the power is cut at every sync, at every acknowledgement and at
moments between: nothing survives that was not synced, all of it, some writes, some sectors, names without contents.
Our recovery starts on each state that differs. Needs strace, on Linux.

The code under test is the ``tiltyard`` that Python imports: with ``PYTHONPATH=../before/src`` that of an earlier build.

Keys of the JSON: ``cuts``, ``lost``, ``corrupt`` (in how many states), ``seed``, ``seconds``, ``machine``,
and ``matrix`` (by story and kind of cut; with examples where something is wrong). Exit code 1 where something is wrong.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine
from benchmarks.power.cutting import cut_story
from benchmarks.power.matrix import sum_up, to_json, to_markdown
from benchmarks.power.stories import STORIES
from benchmarks.power.tally import Tally

DEAR_SHARE = 0.02
"""Of all cuts, what a story gets whose states each take seconds, because a new process imports MLflow for them."""


@click.command()
@click.option("--cuts", default=1000, show_default=True, help="How many states to check, of all stories together.")
@click.option("--seed", default="1", show_default=True, help="Of what is random.")
@click.option("--story", "chosen", multiple=True, type=click.Choice(list(STORIES)), help="Default: all.")
@click.option("--workers", default=2, show_default=True, help="How many processes check.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Where to write the result.")
def main(cuts: int, seed: str, chosen: tuple[str, ...], workers: int, target: Path | None) -> None:
    """Cut the power, and say what was lost."""
    if shutil.which("strace") is None:
        raise click.UsageError("strace is needed to see what is written and synced. Install it: apt install strace")
    began = time.monotonic()
    matrix: dict[str, dict[str, Tally]] = {}
    stories = chosen or tuple(STORIES)
    for position, story in enumerate(stories):
        left = cuts - sum_up(matrix).cuts
        # A story that has fewer different states, or is dear, leaves its share to those after it.
        share = -(-left // (len(stories) - position))
        most = max(1, round(cuts * DEAR_SHARE)) if STORIES[story].imports and len(stories) > 1 else share
        matrix[story] = cut_story(story, min(share, most), seed, workers)
        click.echo(f"{story}: {sum_up({story: matrix[story]}).to_dict()}", err=True)
        total = sum_up(matrix)
        result = {
            "cuts": total.cuts,
            "lost": total.lost,
            "corrupt": total.corrupt,
            "seed": seed,
            "seconds": round(time.monotonic() - began, 1),
            "machine": machine(),
            "matrix": to_json(matrix),
        }
        if target is not None:  # after each story, so that a run that is ended leaves what it has
            target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    click.echo(to_markdown(matrix))
    sys.exit(1 if sum_up(matrix).wrong else 0)


if __name__ == "__main__":
    main()
