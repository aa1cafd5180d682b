"""Workbooks and Parquet files of strangers, read in a separate process with little memory and time.

What such a file becomes does not follow from its bytes: a workbook of a kilobyte whose two cells are far apart makes
its reader take half a terabyte, and end the process. ``python -m tiltyard.serving.predict.binary_files`` is the
separate process: it takes what to read as JSON from its standard input, and writes the rows, or why there are none, as
MessagePack.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from tiltyard.serving.predict.bodies.json_values import ValueLimit
from tiltyard.serving.predict.upload_rows import DIVIDE, Row, read_upload_rows, too_many_rows
from tiltyard.serving.problem_details import RequestError

# More than what is there once all is imported. A table of the most rows takes a part of it.
_MOST_MEMORY = 1024 * 1024 * 1024
_MOST_SECONDS = 60
# Threads and Arrow's own allocator reserve memory that they may never use, which counts all the same.
_FRUGAL = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class _Problem(msgspec.Struct):
    message: str
    status: int
    code: str
    next_step: str


class _Task(msgspec.Struct):
    path: str
    kind: str
    features: list[str]
    rows: int
    columns: int


class _Outcome(msgspec.Struct):
    rows: list[dict[str, Any]] = []
    problem: _Problem | None = None


def read_rows_apart(path: Path, kind: str, features: Collection[str], limit: ValueLimit) -> list[Row]:
    """``read_upload_rows`` in another process.

    Raises:
        RequestError: as ``read_upload_rows``; or the file takes more memory or time than a file may.
    """
    task = _Task(str(path), kind, list(features), limit.rows, limit.columns)
    command = [sys.executable, "-P", "-m", "tiltyard.serving.predict.binary_files"]
    with contextlib.suppress(subprocess.TimeoutExpired, msgspec.DecodeError):
        done = subprocess.run(  # noqa: S603 - this module, with a path that we made
            command,
            input=msgspec.json.encode(task),
            capture_output=True,
            timeout=2 * _MOST_SECONDS,
            env={**os.environ, **_FRUGAL},
            check=False,
        )
        outcome = msgspec.msgpack.decode(done.stdout, type=_Outcome)
        problem = outcome.problem
        if problem is None:
            return list(outcome.rows)
        raise RequestError(problem.message, status=problem.status, code=problem.code, next_step=problem.next_step)
    raise RequestError(
        f"Reading the file takes more than {_MOST_MEMORY >> 20:,} MiB of memory, or than {_MOST_SECONDS} seconds.",
        status=413,
        code="request.too-large",
        next_step=DIVIDE,
    )


def run_reader() -> None:
    """Read the file that standard input names, within the limits of this process."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=_Task)
    _limit_process()
    try:
        rows = read_upload_rows(Path(task.path), task.kind, task.features, ValueLimit(task.rows, task.columns))
        if len(rows) > task.rows:
            raise too_many_rows(len(rows), task.rows)
        written = msgspec.msgpack.encode(_Outcome([dict(row) for row in rows]))
    except RequestError as error:
        written = msgspec.msgpack.encode(
            _Outcome(problem=_Problem(error.message, error.status, error.code, error.next_step))
        )
    sys.stdout.buffer.write(written)


def _limit_process() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_SECONDS, _MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # macOS has no such limit
        taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + _MOST_MEMORY, taken + _MOST_MEMORY))


if __name__ == "__main__":
    run_reader()
