"""Starts stories, each in a fresh copy of one process that has imported what they need, under strace or injected.

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.power.injecting import Injection, arm_injection
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
        record: the file of its system calls, where strace ran.
        marks: its marks.
        output: what it printed; a traceback shows here too.
        met: path of the file that the injected call meant; empty where that call never came, or strace ran.
    """

    status: int
    record: Path
    marks: list[dict[str, Any]]
    output: str
    met: str = ""


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
        return self._ask(root, scratch, {"options": list(options)})

    def run_injected(self, root: Path, scratch: Path, library: Path, injection: Injection) -> Run:
        """Run the story without strace; one of its system calls fails, or kills it.

        Args:
            root: the folder that it writes to, prepared.
            scratch: a folder for the marks and the output.
            library: from ``build_injection``.
            injection: which call, and how.

        Raises:
            RuntimeError: the process of the starter has ended.
        """
        return self._ask(root, scratch, {"library": str(library), "injection": asdict(injection)})

    def _ask(self, root: Path, scratch: Path, how: Mapping[str, Any]) -> Run:
        request = {"root": str(root), "scratch": str(scratch), **how}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        status = self._process.stdout.readline()
        if not status:
            raise RuntimeError("The process that starts stories has ended.")
        marks = [json.loads(line) for line in (scratch / "marks").read_text(encoding="utf-8").splitlines()]
        output = (scratch / "output").read_text(encoding="utf-8", errors="replace")
        report = scratch / "met"
        met = os.fsdecode(report.read_bytes()) if report.exists() else ""
        return Run(json.loads(status)["status"], scratch / "record", marks, output, met)

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
        root, scratch = Path(request["root"]), Path(request["scratch"])
        (scratch / "marks").write_bytes(b"")
        if "injection" in request:
            status = _start_injected(name, root, scratch, Path(request["library"]), Injection(**request["injection"]))
        else:
            status = _start_traced(name, root, scratch, request["options"])
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
    pid = os.fork()
    if pid == 0:
        _run_story(name, root, scratch, lambda: select.select([wait], [], []))
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


def _start_injected(name: str, root: Path, scratch: Path, library: Path, injection: Injection) -> int:
    pid = os.fork()
    if pid == 0:
        _run_story(name, root, scratch, lambda: arm_injection(library, injection, scratch / "met"))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _is_traced(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return "TracerPid:\t0\n" not in status


def _run_story(name: str, root: Path, scratch: Path, get_ready: Callable[[], object]) -> None:
    """The story's own process; it does not return. ``get_ready`` ends when the calls of the story are watched."""
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
        get_ready()
        STORIES[name].run(root, Log(MARKS))
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    _serve(sys.argv[1])
