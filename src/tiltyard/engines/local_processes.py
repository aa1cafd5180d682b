"""Work in processes of this machine. One that dies costs its fragment's time, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import Any

from tiltyard.engines.engine import Engine, Fragments, Mapped, Work
from tiltyard.errors import TiltyardError

MOST_ATTEMPTS = 3
"""Workers that a fragment may cost before it counts as the cause."""

LEAVE_SECONDS = 5.0
"""How long a worker that is no longer needed may take to end."""

_IN_HAND = 2  # fragments of a worker: one that it works on, one that waits in its pipe


class WorkerLostError(TiltyardError):
    """A fragment has ended several workers: they were killed, or ran out of memory."""

    code = "engine.worker-lost"


class LocalProcesses(Engine):
    """Processes of this machine.

    One process imports what the work needs and prepares the work; the workers are forked from it, and share its memory.
    A worker that is lost is replaced, and its fragments are worked on again by others.

    Args:
        workers: how many, at least 1.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._begun: _Source | None = None

    def begin(self, modules: Sequence[str]) -> None:
        """See ``Engine.begin``."""
        if self._begun is None:
            self._begun = _Source.start(self._workers, modules)

    def close(self) -> None:
        """See ``Engine.close``."""
        if self._begun is not None:
            self._begun.end()
            self._begun = None

    @contextlib.contextmanager
    def hold(self, work: Work) -> Iterator[Mapped]:
        """See ``Engine.hold``."""
        with contextlib.closing(_Crew(work, self._workers, self._begun)) as crew:
            self._begun = None
            yield crew.map


class _Crew:
    """The workers of one work, and the process that they are forked from, which starts with the first of them."""

    def __init__(self, work: Work, most: int, source: _Source | None) -> None:
        self._work = work
        self._most = most
        self._source = source
        self._prepared = False
        self._workers: list[_Worker] = []

    def map(self, fragments: Fragments) -> Iterator[tuple[int, Any]]:
        """See ``Engine.map``; one after the other, and each to its end or to its close."""
        waiting = iter(fragments)
        again: deque[tuple[int, Any]] = deque()
        attempts: dict[int, int] = {}
        try:
            while True:
                while self._has_room():
                    task = again.popleft() if again else next(waiting, None)
                    if task is None:
                        break
                    self._give(task)
                busy = [one for one in self._workers if one.tasks]
                if not busy:
                    return
                for connection in wait([one.connection for one in busy]):
                    worker = next(one for one in busy if one.connection is connection)
                    try:
                        number, result, error = worker.take()
                    except (EOFError, OSError):
                        again.extend(_count_attempts(worker, self._remove(worker), attempts))
                        continue
                    if error is not None:
                        raise error
                    yield number, result
        finally:
            for worker in [one for one in self._workers if one.tasks]:
                self._remove(worker)

    def _has_room(self) -> bool:
        return len(self._workers) < self._most or any(len(one.tasks) < _IN_HAND for one in self._workers)

    def _give(self, task: tuple[int, Any]) -> None:
        worker = min(self._workers, key=lambda one: len(one.tasks), default=None)
        if worker is None or (worker.tasks and len(self._workers) < self._most):
            worker = self._start_worker()
            self._workers.append(worker)
        worker.give(task)

    def _remove(self, worker: _Worker) -> int | None:
        """Take out a worker that is gone; how it ended, as ``Popen.returncode`` tells it, or None."""
        self._workers.remove(worker)
        worker.kill()
        return self._await_end(worker)

    def close(self) -> None:
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            self._await_end(worker)
        if self._source is not None:
            self._source.end()

    def _await_end(self, worker: _Worker) -> int | None:
        # Of workers that another process had forked nothing is known: it is lost, and they with it.
        return None if self._source is None or worker.source is not self._source else self._source.await_end(worker.pid)

    def _start_worker(self) -> _Worker:
        for attempt in range(MOST_ATTEMPTS):
            if self._source is None:
                self._source, self._prepared = _Source.start(self._most, ()), False
            try:
                if not self._prepared:
                    self._source.prepare(self._work)
                    self._prepared = True
                return self._source.fork(self._work)
            except (EOFError, OSError) as lost:
                self._source.end()
                ended, self._source = self._source, None
                if attempt + 1 == MOST_ATTEMPTS:
                    raise WorkerLostError(
                        f"The process that prepares the work ended with {_describe_end(ended.process.returncode)}.",
                        next_step="If the machine is short of memory, make room, then run it again.",
                    ) from lost
        raise AssertionError  # the last attempt returns or raises


@dataclass(eq=False)
class _Source:
    """The process that workers are forked from."""

    process: subprocess.Popen[bytes]
    connection: Connection

    @classmethod
    def start(cls, workers: int, modules: Sequence[str]) -> _Source:
        """One for so many workers, which imports these modules first."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "tiltyard.engines.worker", str(theirs.fileno()), *modules]
        paths = dict.fromkeys([str(Path(__file__).parents[2]), *filter(None, sys.path)])
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**_share_cores(workers), **os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                # Ctrl-C is for the process that gives the work.
                start_new_session=True,
            )
        return cls(process, Connection(ours.detach()))

    def prepare(self, work: Work) -> None:
        """Give it the work.

        Raises:
            EOFError, OSError: the process is gone.
            Exception: what preparing the work raises.
        """
        self.connection.send(work)
        failed = self.connection.recv()
        if failed is not None:
            raise failed

    def fork(self, work: Work) -> _Worker:
        """A new worker.

        Raises:
            EOFError, OSError: the process is gone.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.connection.send(None)
            send_handle(self.connection, theirs.fileno(), self.process.pid)
            pid, has_work = self.connection.recv()
            connection = Connection(ours.detach())
        if not has_work:
            with contextlib.suppress(OSError):  # it is lost already: the first result will not come
                connection.send(work)
        return _Worker(self, pid, connection, deque())

    def await_end(self, pid: int) -> int | None:
        """How a worker ended; None where that cannot be known."""
        try:
            self.connection.send(pid)
            return int(self.connection.recv())
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        self.connection.close()
        try:
            self.process.wait(LEAVE_SECONDS if self.process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(eq=False)
class _Worker:
    """A process that works, and the fragments that it was given, in their order."""

    source: _Source
    pid: int
    connection: Connection
    tasks: deque[tuple[int, Any]]

    def give(self, task: tuple[int, Any]) -> None:
        self.tasks.append(task)
        with contextlib.suppress(OSError):
            self.connection.send(task)

    def kill(self) -> None:
        self.connection.close()
        if self.source.process.poll() is None:  # else it is gone too, and its number may be another's
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)

    def take(self) -> tuple[int, Any, Exception | None]:
        """The next result with its number, or what the work raised.

        Raises:
            EOFError, OSError: the process is gone.
        """
        number, result, error = self.connection.recv()
        self.tasks.popleft()
        return number, result, error


def _share_cores(workers: int) -> dict[str, str]:
    """How many threads a worker's libraries may start, Arrow's too: with more they would wait for each other."""
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // workers))}


def _count_attempts(worker: _Worker, ended: int | None, attempts: dict[int, int]) -> list[tuple[int, Any]]:
    """The fragments of a worker that is lost; the one that it worked on has had an attempt.

    Raises:
        WorkerLostError: that one has had too many.
    """
    number = worker.tasks[0][0]
    attempts[number] = attempts.get(number, 0) + 1
    if attempts[number] >= MOST_ATTEMPTS:
        raise WorkerLostError(
            f"Fragment {number} ended {MOST_ATTEMPTS} worker processes; the last with {_describe_end(ended)}.",
            next_step="If the machine is short of memory, use fewer workers or smaller fragments, then run it again: "
            "it continues where it is.",
            fragment=number,
        )
    return list(worker.tasks)


def _describe_end(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
