"""Work in processes of this machine. One that dies costs its fragment's time, and nothing else."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tiltyard.engines.engine import Engine, Fragments, Work
from tiltyard.errors import TiltyardError

MOST_ATTEMPTS = 3
"""Workers that a fragment may cost before it counts as the cause."""

_IN_HAND = 2  # fragments of a worker: one that it works on, one that waits in its pipe
_LEAVE_SECONDS = 5.0


class WorkerLostError(TiltyardError):
    """A fragment has ended several workers: they were killed, or ran out of memory."""

    code = "engine.worker-lost"


class LocalProcesses(Engine):
    """Processes of this machine.

    Each is a fresh Python that imports only what its work needs. A worker that is lost is replaced, and its fragments
    are worked on again by others.

    Args:
        workers: how many, at least 1.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def map(self, work: Work, fragments: Fragments) -> Iterator[tuple[int, Any]]:
        """See ``Engine.map``."""
        waiting = iter(fragments)
        again: deque[tuple[int, Any]] = deque()
        attempts: dict[int, int] = {}
        with contextlib.ExitStack() as stack:
            workers: list[_Worker] = []
            while True:
                while len(workers) < self._workers or any(len(one.tasks) < _IN_HAND for one in workers):
                    task = again.popleft() if again else next(waiting, None)
                    if task is None:
                        break
                    worker = min(workers, key=lambda one: len(one.tasks), default=None)
                    if worker is None or (worker.tasks and len(workers) < self._workers):
                        worker = _Worker.start(work, self._workers)
                        stack.callback(worker.end)
                        workers.append(worker)
                    worker.give(task)
                busy = [worker for worker in workers if worker.tasks]
                if not busy:
                    return
                for connection in wait([worker.connection for worker in busy]):
                    worker = next(one for one in busy if one.connection is connection)
                    try:
                        number, result, error = worker.take()
                    except (EOFError, OSError):
                        workers.remove(worker)
                        again.extend(_count_attempts(worker, attempts))
                        continue
                    if error is not None:
                        raise error
                    yield number, result


@dataclass(eq=False)
class _Worker:
    """A process that works, and the fragments that it was given, in their order."""

    process: subprocess.Popen[bytes]
    connection: Connection
    tasks: deque[tuple[int, Any]]

    @classmethod
    def start(cls, work: Work, workers: int) -> _Worker:
        """A process that is one of so many."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tiltyard.engines.worker", str(theirs.fileno())]
        paths = dict.fromkeys([str(Path(__file__).parents[2]), *filter(None, sys.path)])
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**_share_cores(workers), **os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            # Ctrl-C is for the process that gives the work.
            start_new_session=True,
        )
        theirs.close()
        connection = Connection(ours.detach())
        with contextlib.suppress(OSError):  # it is lost already: the first result will not come
            connection.send(work)
        return cls(process, connection, deque())

    def give(self, task: tuple[int, Any]) -> None:
        self.tasks.append(task)
        with contextlib.suppress(OSError):
            self.connection.send(task)

    def take(self) -> tuple[int, Any, Exception | None]:
        """The next result with its number, or what the work raised.

        Raises:
            EOFError, OSError: the process is gone.
        """
        number, result, error = self.connection.recv()
        self.tasks.popleft()
        return number, result, error

    def end(self) -> None:
        self.connection.close()
        try:
            self.process.wait(_LEAVE_SECONDS if not self.tasks else 0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _share_cores(workers: int) -> dict[str, str]:
    """How many threads a worker's libraries may start, Arrow's too: with more they would wait for each other."""
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // workers))}


def _count_attempts(worker: _Worker, attempts: dict[int, int]) -> list[tuple[int, Any]]:
    """The fragments of a worker that is lost; the one that it worked on has had an attempt.

    Raises:
        WorkerLostError: that one has had too many.
    """
    worker.end()
    number = worker.tasks[0][0]
    attempts[number] = attempts.get(number, 0) + 1
    if attempts[number] >= MOST_ATTEMPTS:
        raise WorkerLostError(
            f"Fragment {number} ended {MOST_ATTEMPTS} worker processes; the last with {_describe_end(worker)}.",
            next_step="If the machine is short of memory, use fewer workers or smaller fragments, then run it again: "
            "it continues where it is.",
            fragment=number,
        )
    return list(worker.tasks)


def _describe_end(worker: _Worker) -> str:
    code = worker.process.returncode
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
