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
from benchmarks.power.starter import Run, Starter
from benchmarks.power.story import Verdict
from benchmarks.power.syscalls import LENGTHS, NAMES, OPENS, SYNCS, WRITES
from benchmarks.power.tally import Tally

FAULTS = {"EIO": "error=EIO", "ENOSPC": "error=ENOSPC", "killed": "signal=SIGKILL"}
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
    """What is wrong after a fault: of which column, and where it was."""

    column: str
    where: str
    verdict: Verdict


def fault_story(story: str, most: int, seed: str, workers: int) -> dict[str, Tally]:
    """Run a story once for each fault, at most so many, drawn from all.

    Args:
        story: its name.
        most: how many runs.
        seed: of the draw.
        workers: how many processes run and check.

    Returns:
        By kind of fault.
    """
    with tempfile.TemporaryDirectory(prefix="power-", dir=scratch_place()) as folder:
        tallies = {column: Tally() for column in COLUMNS}
        with Starter(story) as starter:
            faults = _list_faults(starter, story, Path(folder))
            if len(faults) > most:
                faults = Random(f"{seed}/{story}").sample(faults, most)
            import_late(story)
            if workers == 1:
                logging.disable(logging.CRITICAL)
                for outcome in _run_faults(starter, story, Path(folder), faults):
                    tallies[outcome.column].count(outcome.verdict, outcome.where)
                logging.disable(logging.NOTSET)
                return tallies
        context = multiprocessing.get_context("fork")
        shares = [(story, Path(folder), faults[number::workers]) for number in range(workers)]
        with context.Pool(workers) as pool:
            for outcomes in pool.imap_unordered(_run_share, [share for share in shares if share[2]]):
                for outcome in outcomes:
                    tallies[outcome.column].count(outcome.verdict, outcome.where)
        return tallies


def _list_faults(starter: Starter, story: str, scratch: Path) -> list[Fault]:
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


def _run_share(share: tuple[str, Path, Sequence[Fault]]) -> list[Outcome]:
    story, recorded, faults = share
    logging.disable(logging.CRITICAL)
    with Starter(story) as starter:
        return list(_run_faults(starter, story, recorded, faults))


def _run_faults(starter: Starter, story: str, recorded: Path, faults: Sequence[Fault]) -> Iterator[Outcome]:
    for fault in faults:
        with tempfile.TemporaryDirectory(dir=recorded, ignore_cleanup_errors=True) as folder:
            yield from _run_fault(starter, story, recorded, Path(folder), fault)


def _run_fault(starter: Starter, story: str, recorded: Path, scratch: Path, fault: Fault) -> Iterator[Outcome]:
    for name in ("root", "before"):
        shutil.copytree(recorded / "before", scratch / name)
    option = f"inject={fault.name}:{FAULTS[fault.kind]}:when={fault.number}"
    run = starter.run(scratch / "root", scratch, ["-e", option])
    where = f"{fault.kind} at {fault.name} {fault.number}"
    state = None
    if fault.kind == "EIO" and fault.name in SYNCS:
        replay = make_replay(run, scratch, forgets_after_error=True)
        for _ in replay.run():
            pass
        state = replay.disk.cut("nothing", "strict", Random(0))
    verdict = check_apart(story, scratch / "root", run.marks)
    verdict.unexplained += _list_unexplained(run)
    yield Outcome(fault.kind, where, verdict)
    if state is not None:
        write_state(state, scratch / "root")
        yield Outcome(THEN_CUT, where, check_apart(story, scratch / "root", run.marks))


def _list_unexplained(run: Run) -> list[str]:
    found = [f"{mark['what']}: {mark['message']}" for mark in run.marks if mark["kind"] == "traceback"]
    if run.status == -signal.SIGALRM:
        found.append("The story hangs")
    elif run.status not in (0, -signal.SIGKILL):
        found.append(f"The story ends with {run.status}: {run.output}")
    elif "Traceback" in run.output:
        found.append(run.output)
    return found
