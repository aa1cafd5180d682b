"""Cuts the power of a story: at every sync and mark, and at moments between."""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from benchmarks.power.checking import Cut, check_cuts
from benchmarks.power.disk import KINDS, NAME_RULES, Kind, NameRule, State
from benchmarks.power.replay import Moment, Replay
from benchmarks.power.starter import Run, Starter
from benchmarks.power.stories import STORIES
from benchmarks.power.syscalls import read_calls
from benchmarks.power.tally import Tally

RANDOM_KINDS: tuple[Kind, ...] = ("some", "torn")
# Of each kind with chance in it, so many further rounds without a new state end a story.
FRUITLESS_ROUNDS = 3


def cut_story(story: str, cuts: int, seed: str, workers: int) -> dict[str, Tally]:
    """Run a story once, and check at most so many different states that power cuts can leave.

    Args:
        story: its name.
        cuts: how many.
        seed: of all that is random.
        workers: how many processes check.

    Returns:
        By kind of cut and rule of names, ``torn, strict``.

    Raises:
        RuntimeError: the story fails without any fault, or the model of the disk does not end with what it wrote.
    """
    with tempfile.TemporaryDirectory(prefix="power-", dir=scratch_place()) as folder:
        scratch = Path(folder)
        with Starter(story) as starter:
            run, replay = record_story(starter, story, scratch)
        _require_sound(story, run, replay, scratch / "root")
        tallies = {f"{kind}, {rule}": Tally() for kind in KINDS for rule in NAME_RULES}
        chosen = _choose_cuts(story, run, scratch, cuts, seed)
        for checked in check_cuts(chosen, workers):
            tallies[checked.column].count(checked.verdict, f"moment {checked.moment}")
        return tallies


def scratch_place() -> str | None:
    """A place in memory where there is one: the states are written and thrown away."""
    place = Path("/dev/shm")
    return str(place) if place.is_dir() else None


def record_story(starter: Starter, story: str, scratch: Path) -> tuple[Run, Replay]:
    """Run a story in ``scratch/root``, with a copy of what was there before in ``scratch/before``."""
    root = scratch / "root"
    root.mkdir()
    STORIES[story].prepare(root)
    keep_copy(root, scratch / "before")
    run = starter.run(root, scratch)
    return run, make_replay(run, scratch)


def make_replay(run: Run, scratch: Path, *, forgets_after_error: bool = False) -> Replay:
    """A replay of a run from the beginning."""
    replay = Replay(scratch / "root", read_calls(run.record), forgets_after_error)
    replay.load(scratch / "before")
    return replay


def keep_copy(root: Path, copy: Path) -> None:
    """Copy what a story finds."""
    shutil.copytree(root, copy, dirs_exist_ok=True)


def _require_sound(story: str, run: Run, replay: Replay, root: Path) -> None:
    wrong = [mark for mark in run.marks if mark["kind"] in ("refused", "traceback")]
    if run.status != 0 or wrong or "Traceback" in run.output:
        raise RuntimeError(f"The story '{story}' fails without a fault: {run.status} {wrong} {run.output}")
    for _ in replay.run():
        pass
    model = replay.disk.cut("all", "strict", Random(0))
    real = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    real = {name: content for name, content in real.items() if not name.endswith("-shm")}
    if model.files != real:
        different = [name for name in {*model.files, *real} if model.files.get(name) != real.get(name)]
        raise RuntimeError(f"The model of the disk does not end with what '{story}' wrote: {sorted(different)[:5]}")


def _choose_cuts(story: str, run: Run, scratch: Path, cuts: int, seed: str) -> Iterator[Cut]:
    """Different states, from the moments around syncs and marks first, then from all, until there are enough."""
    seen: set[bytes] = set()
    found, fruitless, number = 0, 0, 0
    while found < cuts and fruitless < FRUITLESS_ROUNDS:
        before = found
        random_ = random.Random(f"{seed}/{story}/{number}")
        replay = make_replay(run, scratch)
        for moment in replay.run():
            for kind, rule in _plan(moment, number, random_):
                state = replay.disk.cut(kind, rule, random_)
                digest = _digest(state, moment.marks)
                if digest in seen:
                    continue
                seen.add(digest)
                found += 1
                yield Cut(story, f"{kind}, {rule}", moment.number, state, tuple(replay.marks), scratch / "root")
                if found >= cuts:
                    return
        fruitless = fruitless + 1 if found == before else 0
        number += 1


def _plan(moment: Moment, round_number: int, random_: Random) -> list[tuple[Kind, NameRule]]:
    """Which cuts to try at a moment: in the first round those without chance, then ever more of the others."""
    if round_number == 0:
        return [
            (kind, rule)
            for kind in KINDS
            for rule in NAME_RULES
            if kind not in RANDOM_KINDS and (moment.boundary or kind == "nothing")
        ]
    if not moment.boundary and random_.random() < 0.5:
        return []
    return [(kind, rule) for kind in RANDOM_KINDS for rule in NAME_RULES]


def _digest(state: State, marks: int) -> bytes:
    digest = hashlib.blake2b(str(marks).encode(), digest_size=16)
    for name, content in sorted(state.files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    digest.update("\0".join(sorted(state.folders)).encode())
    return digest.digest()
