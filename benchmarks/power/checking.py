"""Starts our recovery on the states that power cuts left, in several processes."""

from __future__ import annotations

import fcntl
import importlib
import logging
import multiprocessing
import os
import pickle
import shutil
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.power.disk import State
from benchmarks.power.stories import STORIES
from benchmarks.power.story import Marks, Verdict

AT_ONCE = 4


@dataclass(frozen=True)
class Cut:
    """A power cut to check.

    Attributes:
        story: the story's name.
        column: what it counts for in the matrix.
        moment: at which moment of the story.
        state: what is left.
        marks: the marks that the story had set.
        root: the folder of the story.
    """

    story: str
    column: str
    moment: int
    state: State
    marks: Sequence[Mapping[str, Any]]
    root: Path


@dataclass(frozen=True)
class Checked:
    """A power cut that was checked: what it counts for, when it was, and what is wrong."""

    column: str
    moment: int
    verdict: Verdict


def check_cuts(cuts: Iterable[Cut], workers: int) -> Iterator[Checked]:
    """Check each of them; in no order."""
    context = multiprocessing.get_context("fork")
    with context.Pool(workers, initializer=_start_worker) as pool:
        yield from pool.imap_unordered(_check, cuts, chunksize=AT_ONCE)


def check_apart(story: str, root: Path, marks: Sequence[Mapping[str, Any]]) -> Verdict:
    """Start a story's recovery in a folder, in a new process where the story wants that."""
    if not STORIES[story].imports:
        return check_folder(story, root, marks)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with os.fdopen(writing, "wb") as stream:
            pickle.dump(check_folder(story, root, marks), stream)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        content = stream.read()
    os.waitpid(pid, 0)
    verdict: Verdict = pickle.loads(content)  # the process is ours
    return verdict


def prepare_apart(story: str, root: Path) -> None:
    """Make what is there before a story, in a new process: what it opened is open nowhere else.

    Raises:
        RuntimeError: it fails.
    """
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            STORIES[story].prepare(root)
            status = 0
        except Exception:  # noqa: BLE001 - the process ends here
            traceback.print_exc()
        finally:
            os._exit(status)
    if os.waitpid(pid, 0)[1] != 0:
        raise RuntimeError(f"The story '{story}' cannot be prepared.")


def import_late(story: str) -> None:
    """Import what the checks of a story import late, so that the processes of the checks have it."""
    for module in STORIES[story].imports:
        importlib.import_module(module)


def check_folder(story: str, root: Path, marks: Sequence[Mapping[str, Any]]) -> Verdict:
    """Start a story's recovery in a folder."""
    verdict = Verdict()
    try:
        STORIES[story].check(root, Marks(marks), verdict)
    except Exception:  # noqa: BLE001 - that the next start fails is the result
        verdict.corrupt.append(f"The next start fails: {traceback.format_exc()}")
    return verdict


def write_state(state: State, root: Path) -> None:
    """Make a folder hold a state, and nothing else."""
    root.mkdir(exist_ok=True)
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder in state.folders:
        (root / folder).mkdir()
    for name, content in state.files.items():
        (root / name).write_bytes(content)


def _start_worker() -> None:
    logging.disable(logging.CRITICAL)


def _check(cut: Cut) -> Checked:
    if not STORIES[cut.story].at_one_path:
        with tempfile.TemporaryDirectory(dir=cut.root.parent, ignore_cleanup_errors=True) as folder:
            root = Path(folder) / "root"
            write_state(cut.state, root)
            return Checked(cut.column, cut.moment, check_folder(cut.story, root, cut.marks))
    with (cut.root.parent / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_state(cut.state, cut.root)
        return Checked(cut.column, cut.moment, check_apart(cut.story, cut.root, cut.marks))
