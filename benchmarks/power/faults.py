"""Makes one system call of a story fail, or kills its process there, and checks what is left."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.power.checking import check_apart, import_late, write_state
from benchmarks.power.cutting import make_replay, record_story, scratch_place
from benchmarks.power.injecting import Injection, build_injection
from benchmarks.power.starter import Run, Starter
from benchmarks.power.story import Verdict
from benchmarks.power.syscalls import LENGTHS, NAMES, OPENS, SYNCS, WRITES
from benchmarks.power.tally import Tally

FAULTS = {"EIO": "EIO", "ENOSPC": "ENOSPC", "killed": ""}
"""The error of each kind; with none the process is killed before the call."""
THEN_CUT = "EIO at a sync, then a power cut"
COLUMNS = (*FAULTS, THEN_CUT)
# What may need room on the disk.
_TAKES_ROOM = (*WRITES, *LENGTHS, *SYNCS, *NAMES, *OPENS)


@dataclass(frozen=True)
class Fault:
    """What is to happen at one system call.

    Attributes:
        kind: ``EIO``, ``ENOSPC`` or ``killed``.
        name: name of the call.
        number: at the how many-th call of this name.
    """

    kind: str
    name: str
    number: int


@dataclass(frozen=True)
class Outcome:
    """What is wrong after a fault: of which column, where it was, and whether the story came to it."""

    column: str
    where: str
    verdict: Verdict
    reached: bool


@dataclass(frozen=True)
class Place:
    """Where a story's faults are run.

    Attributes:
        story: its name.
        recorded: a folder with ``before``, what is there before the story. The runs get folders next to it: as some of
            our code syncs the folders above, a root further down would make further calls, and their numbers differ.
        library: what makes a call fail without strace; None where strace must do it.
    """

    story: str
    recorded: Path
    library: Path | None


def fault_story(story: str, most: int, seed: str, workers: int, *, traced: bool = False) -> dict[str, Tally]:
    """Run a story once for each fault, at most so many, drawn from all.

    Args:
        story: its name.
        most: how many runs.
        seed: of the draw.
        workers: how many processes run and check.
        traced: whether strace makes each call fail, which takes several times as long. It always does so where this
            system has no compiler, and at the failed syncs that a power cut follows: a replay needs their record.

    Returns:
        By kind of fault.
    """
    with tempfile.TemporaryDirectory(prefix="power-", dir=scratch_place()) as folder:
        tallies = {column: Tally() for column in COLUMNS}
        with Starter(story) as starter:
            recorded = Path(folder) / "recorded"
            recorded.mkdir()
            faults = list_faults(starter, story, recorded)
            place = Place(story, recorded, None if traced else build_injection(Path(folder)))
            if len(faults) > most:
                faults = Random(f"{seed}/{story}").sample(faults, most)
            import_late(story)
            if workers == 1:
                logging.disable(logging.CRITICAL)
                for outcome in run_faults(starter, place, faults):
                    tallies[outcome.column].count(outcome.verdict, outcome.where, reached=outcome.reached)
                logging.disable(logging.NOTSET)
                return tallies
        context = multiprocessing.get_context("fork")
        shares = [(place, faults[number::workers]) for number in range(workers)]
        with context.Pool(workers) as pool:
            for outcomes in pool.imap_unordered(_run_share, [share for share in shares if share[1]]):
                for outcome in outcomes:
                    tallies[outcome.column].count(outcome.verdict, outcome.where, reached=outcome.reached)
        return tallies


def list_faults(starter: Starter, story: str, scratch: Path) -> list[Fault]:
    """All faults at the calls that mean a file of the story, made by the thread that runs it."""
    run = record_story(starter, story, scratch)
    replay = run.replay()
    main = replay.calls[0].pid
    return [
        Fault(kind, call.name, call.number)
        for call in replay.concerned()
        for kind in FAULTS
        if call.pid == main and (kind != "ENOSPC" or call.name in _TAKES_ROOM)
    ]


def run_faults(starter: Starter, place: Place, faults: Sequence[Fault]) -> Iterator[Outcome]:
    """Run the story once for each fault, and check what is left."""
    for fault in faults:
        with tempfile.TemporaryDirectory(dir=place.recorded.parent, ignore_cleanup_errors=True) as folder:
            yield from _run_fault(starter, place, Path(folder), fault)


def _run_share(share: tuple[Place, Sequence[Fault]]) -> list[Outcome]:
    place, faults = share
    logging.disable(logging.CRITICAL)
    with Starter(place.story) as starter:
        return list(run_faults(starter, place, faults))


def _run_fault(starter: Starter, place: Place, scratch: Path, fault: Fault) -> Iterator[Outcome]:
    root = scratch / "root"
    shutil.copytree(place.recorded / "before", root)
    where = f"{fault.kind} at {fault.name} {fault.number}"
    then_cut = fault.kind == "EIO" and fault.name in SYNCS
    state = None
    if place.library is not None and not then_cut:
        injection = Injection(fault.name, fault.number, FAULTS[fault.kind])
        run = starter.run_injected(root, scratch, place.library, injection)
        reached = f"{run.met}/".startswith(f"{root}/")
    else:
        run = _run_traced(starter, root, scratch, fault)
        reached = _was_injected(run, fault)
    if then_cut:
        shutil.copytree(place.recorded / "before", scratch / "before")
        replay = make_replay(run, scratch, forgets_after_error=True)
        for _ in replay.run():
            pass
        state = replay.disk.cut("nothing", "strict", Random(0))
    verdict = check_apart(place.story, root, run.marks)
    verdict.unexplained += _list_unexplained(run)
    yield Outcome(fault.kind, where, verdict, reached)
    if state is not None:
        write_state(state, root)
        yield Outcome(THEN_CUT, where, check_apart(place.story, root, run.marks), reached)


def _run_traced(starter: Starter, root: Path, scratch: Path, fault: Fault) -> Run:
    error = FAULTS[fault.kind]
    what = f"error={error}" if error else "signal=SIGKILL"
    return starter.run(root, scratch, ["-e", f"inject={fault.name}:{what}:when={fault.number}"])


def _was_injected(run: Run, fault: Fault) -> bool:
    """Whether strace came to the call."""
    if fault.kind == "killed":
        return run.status == -signal.SIGKILL
    return b"(INJECTED)\n" in run.record.read_bytes()


def _list_unexplained(run: Run) -> list[str]:
    found = [f"{mark['what']}: {mark['message']}" for mark in run.marks if mark["kind"] == "traceback"]
    if run.status == -signal.SIGALRM:
        found.append("The story hangs")
    elif run.status not in (0, -signal.SIGKILL):
        found.append(f"The story ends with {run.status}: {run.output}")
    elif "Traceback" in run.output:
        found.append(run.output)
    return found
