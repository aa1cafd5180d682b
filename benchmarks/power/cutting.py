"""Cuts the power of a story: at every sync and mark, and at moments between."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.power.checking import Cut, check_cuts, import_late, prepare_apart
from benchmarks.power.disk import KINDS, NAME_RULES, Kind, NameRule, State
from benchmarks.power.replay import Moment, Replay
from benchmarks.power.starter import Run, Starter
from benchmarks.power.syscalls import read_calls
from benchmarks.power.tally import Tally

RANDOM_KINDS: tuple[Kind, ...] = ("some", "torn")
# So many rounds without a new state end a story.
FRUITLESS_ROUNDS = 3
# About how many different states a moment gives in a round.
STATES_OF_A_MOMENT = 3


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
            run = record_story(starter, story, scratch)
        tallies = {f"{kind}, {rule}": Tally() for kind in KINDS for rule in NAME_RULES}
        chosen = _choose_cuts(run, cuts, seed)
        import_late(story)
        for checked in check_cuts(chosen, workers):
            tallies[checked.column].count(checked.verdict, f"moment {checked.moment}")
        return tallies


def scratch_place() -> str | None:
    """A place in memory where there is one: the states are written and thrown away."""
    place = Path("/dev/shm")
    return str(place) if place.is_dir() else None


@dataclass(frozen=True)
class RecordedRun:
    """A run of a story without a fault, and what was there before it.

    Attributes:
        story: the story's name.
        scratch: a folder with ``root``, which the story wrote to, and ``before``, a copy from before that.
        run: its record.
        moments: how many moments its replay has.
    """

    story: str
    scratch: Path
    run: Run
    moments: int

    @property
    def root(self) -> Path:
        """The folder that the story wrote to."""
        return self.scratch / "root"

    def replay(self) -> Replay:
        """A replay from the beginning."""
        return make_replay(self.run, self.scratch)


def record_story(starter: Starter, story: str, scratch: Path) -> RecordedRun:
    """Run a story that nothing disturbs.

    Raises:
        RuntimeError: the story fails all the same, or the model of the disk does not end with what it wrote.
    """
    root = scratch / "root"
    root.mkdir()
    prepare_apart(story, root)
    shutil.copytree(root, scratch / "before")
    run = starter.run(root, scratch)
    wrong = [mark for mark in run.marks if mark["kind"] in ("refused", "traceback")]
    if run.status != 0 or wrong or "Traceback" in run.output:
        raise RuntimeError(f"The story '{story}' fails without a fault: {run.status} {wrong} {run.output}")
    replay = make_replay(run, scratch)
    moments = sum(1 for _ in replay.run())
    _require_same(story, replay.disk.cut("all", "strict", Random(0)).files, root)
    return RecordedRun(story, scratch, run, moments)


def make_replay(run: Run, scratch: Path, *, forgets_after_error: bool = False) -> Replay:
    """A replay of a run, from what was in ``scratch/before``."""
    replay = Replay(scratch / "root", read_calls(run.record), forgets_after_error)
    replay.load(scratch / "before")
    return replay


def _require_same(story: str, model: Mapping[str, bytes], root: Path) -> None:
    real = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    real = {name: content for name, content in real.items() if not name.endswith("-shm")}
    different = [name for name in {*model, *real} if model.get(name) != real.get(name)]
    if different:
        raise RuntimeError(f"The model of the disk does not end with what '{story}' wrote: {sorted(different)[:5]}")


def _choose_cuts(run: RecordedRun, cuts: int, seed: str) -> Iterator[Cut]:
    """Different states from moments all over the story, in rounds, until there are enough or no more are found."""
    seen: set[bytes] = set()
    found, fruitless, number = 0, 0, 0
    share = min(1.0, cuts / (STATES_OF_A_MOMENT * run.moments))
    while found < cuts and fruitless < FRUITLESS_ROUNDS:
        before = found
        random = Random(f"{seed}/{run.story}/{number}")
        replay = run.replay()
        for moment in replay.run():
            if random.random() >= share:
                continue
            for kind, rule in _plan(moment):
                state = replay.disk.cut(kind, rule, random)
                digest = _digest(state, moment.marks)
                if digest in seen:
                    continue
                seen.add(digest)
                found += 1
                yield Cut(run.story, f"{kind}, {rule}", moment.number, state, tuple(replay.marks), run.root)
                if found >= cuts:
                    return
        fruitless = fruitless + 1 if found == before else 0
        number += 1


def _plan(moment: Moment) -> list[tuple[Kind, NameRule]]:
    """Which cuts to try at a moment: around syncs and marks each kind, between them those with chance in them."""
    kinds = KINDS if moment.boundary else RANDOM_KINDS
    return [(kind, rule) for kind in kinds for rule in NAME_RULES]


def _digest(state: State, marks: int) -> bytes:
    digest = hashlib.blake2b(str(marks).encode(), digest_size=16)
    for name, content in sorted(state.files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    digest.update("\0".join(sorted(state.folders)).encode())
    return digest.digest()
