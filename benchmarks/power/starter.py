"""Starts stories under strace, each in a fresh copy of one process that has imported what they need.

``python -m benchmarks.power.starter STORY`` reads requests as JSON lines from its input and writes a line about each.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.power.replay import MARKS
from benchmarks.power.stories import STORIES
from benchmarks.power.story import Log
from benchmarks.power.syscalls import TRACED

LONGEST_TEXT = 1 << 26
PATIENCE_SECONDS = 60.0
LONGEST_SECONDS = 120
"""A story that takes longer hangs, and is ended by SIGALRM."""
_PR_SET_PTRACER = 0x59616D61


@dataclass(frozen=True)
class Run:
    """A run of a story.

    Attributes:
        status: how its process ended, as ``os.waitstatus_to_exitcode`` has it; negative for a signal.
        record: the file of its system calls.
        marks: its marks.
        output: what it printed; a traceback shows here too.
    """

    status: int
    record: Path
    marks: list[dict[str, Any]]
    output: str


class Starter:
    """A process that starts one story again and again.

    Args:
        story: the story's name.
    """

    def __init__(self, story: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.power.starter", story],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def run(self, root: Path, scratch: Path, options: Sequence[str] = ()) -> Run:
        """Run the story under strace.

        Args:
            root: the folder that it writes to, prepared.
            scratch: a folder for the record, the marks and the output.
            options: further options of strace.

        Raises:
            RuntimeError: the process of the starter has ended.
        """
        request = {"root": str(root), "scratch": str(scratch), "options": list(options)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        status = self._process.stdout.readline()
        if not status:
            raise RuntimeError("The process that starts stories has ended.")
        marks = [json.loads(line) for line in (scratch / "marks").read_text(encoding="utf-8").splitlines()]
        output = (scratch / "output").read_text(encoding="utf-8", errors="replace")
        return Run(json.loads(status)["status"], scratch / "record", marks, output)

    def close(self) -> None:
        """End its process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _serve(name: str) -> None:
    _import_what_it_needs(name)
    for line in sys.stdin:
        request = json.loads(line)
        status = _start_traced(name, Path(request["root"]), Path(request["scratch"]), request["options"])
        print(json.dumps({"status": status}), flush=True)


def _import_what_it_needs(name: str) -> None:
    """Import what a run imports late, so that a failing system call of a later run meets our code, not an import."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "modules"
        pid = os.fork()
        if pid == 0:
            status = 1
            with contextlib.suppress(BaseException):
                root = Path(folder) / "root"
                root.mkdir()
                STORIES[name].prepare(root)
                STORIES[name].run(root, Log(os.open(os.devnull, os.O_WRONLY)))
                found.write_text("\n".join(sys.modules), encoding="utf-8")
                status = 0
            os._exit(status)
        os.waitpid(pid, 0)
        for module in found.read_text(encoding="utf-8").splitlines() if found.exists() else []:
            with contextlib.suppress(Exception):
                importlib.import_module(module)


def _start_traced(name: str, root: Path, scratch: Path, options: Sequence[str]) -> int:
    wait, go = os.pipe()
    (scratch / "marks").write_bytes(b"")
    pid = os.fork()
    if pid == 0:
        _run_story(name, root, scratch, wait)
    os.close(wait)
    command = ["strace", "-f", "-q", "-xx", "-s", str(LONGEST_TEXT), "-o", str(scratch / "record")]
    command += ["-e", f"trace={','.join(TRACED)}", *options, "-p", str(pid)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as tracer:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _is_traced(pid) and tracer.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        os.write(go, b"go")
        os.close(go)
        _, status = os.waitpid(pid, 0)
        _, said = tracer.communicate()
    if tracer.returncode != 0 and os.waitstatus_to_exitcode(status) == 0:
        raise RuntimeError(f"strace failed: {said.decode(errors='replace')}")
    return os.waitstatus_to_exitcode(status)


def _is_traced(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return "TracerPid:\t0\n" not in status


def _run_story(name: str, root: Path, scratch: Path, wait: int) -> None:
    """The story's own process; it does not return."""
    status = 1
    try:
        output = os.open(scratch / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        marks = os.open(scratch / "marks", os.O_WRONLY | os.O_APPEND)
        for source, target in ((output, 1), (output, 2), (marks, MARKS)):
            os.dup2(source, target)
        # A tracer that did not start this process needs leave on systems with Yama.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
        logging.disable(logging.CRITICAL)
        signal.alarm(LONGEST_SECONDS)
        select.select([wait], [], [])
        STORIES[name].run(root, Log(MARKS))
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    _serve(sys.argv[1])
