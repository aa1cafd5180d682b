"""Failing system calls: wherever one fails or a process dies, is what was acknowledged there, and is the reason shown?

    python benchmarks/system_calls.py --faults 2000 --json faults.json
    python benchmarks/system_calls.py --all

Each story of the power cuts (``benchmarks/power/stories``) runs again and again, and each time one of its system calls
on its files fails with an I/O error (EIO) or for want of room (ENOSPC), or its process is killed there. Then our
recovery starts on what is left; after a failed sync also on what is left when the power goes as well (then what that
sync should have written stays lost, as on Linux). Needs strace, on Linux, which lists the calls. A small library that
is compiled from ``power/inject.c`` makes them fail; without a C compiler strace does that too, several times as slowly.

Keys of the JSON: ``faults``, ``lost``, ``corrupt``, ``unexplained`` (a user would see a traceback, or silence),
``not_reached`` (of the faults: the story did not come to the call, or the call meant another file),
``seed``, ``seconds``, ``machine``, and ``matrix`` (by story and kind of fault; with examples where something is wrong).
Exit code 1 where something is wrong.
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
from benchmarks.power.faults import fault_story
from benchmarks.power.matrix import sum_up, to_json, to_markdown
from benchmarks.power.stories import STORIES
from benchmarks.power.tally import Tally

ALL = 10**9


@click.command()
@click.option("--faults", default=400, show_default=True, help="How many faults to draw, of all stories together.")
@click.option("--all", "every", is_flag=True, help="Every fault at every system call.")
@click.option("--seed", default="1", show_default=True, help="Of the draw.")
@click.option("--story", "chosen", multiple=True, type=click.Choice(list(STORIES)), help="Default: all.")
@click.option("--workers", default=2, show_default=True, help="How many processes run and check.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Where to write the result.")
def main(faults: int, every: bool, seed: str, chosen: tuple[str, ...], workers: int, target: Path | None) -> None:
    """Let system calls fail, and say what was lost."""
    if shutil.which("strace") is None:
        raise click.UsageError("strace is needed to let system calls fail. Install it: apt install strace")
    began = time.monotonic()
    matrix: dict[str, dict[str, Tally]] = {}
    stories = chosen or tuple(STORIES)
    for story in stories:
        most = ALL if every else -(-faults // len(stories))
        matrix[story] = fault_story(story, most, seed, workers)
        click.echo(f"{story}: {sum_up({story: matrix[story]}).to_dict()}", err=True)
        total = sum_up(matrix)
        result = {
            "faults": total.cuts,
            "lost": total.lost,
            "corrupt": total.corrupt,
            "unexplained": total.unexplained,
            "not_reached": total.not_reached,
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
