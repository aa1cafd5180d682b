"""The processes of this machine: one that imports and prepares the work once, and the workers that are forked from it.

``python -m tiltyard.engines.worker FD MODULE…`` imports the modules while its caller still finds out what the work is.
Then it receives the work, prepares it, and forks a worker whenever its caller asks for one: they share what was
imported and prepared. A process with further threads cannot be forked safely; from such a one each worker is a fresh
Python, ``python -m tiltyard.engines.worker FD --alone``, which receives the work itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path
from typing import Any

from tiltyard.engines.local_processes import LEAVE_SECONDS

ALONE = "--alone"
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl
_TASKS = Path("/proc/self/task")
_POLL_SECONDS = 0.005


class WorkFailedError(Exception):
    """What a worker's code raised, where that cannot be sent as it is."""


def main() -> None:
    """Be the process that the arguments name, until the other end is closed."""
    connection = Connection(int(sys.argv[1]))
    _end_with_parent()
    with contextlib.suppress(EOFError, OSError):
        if ALONE in sys.argv[2:]:
            serve_fragments(connection, connection.recv())
        else:
            _fork_workers(connection, sys.argv[2:])


def serve_fragments(connection: Connection, work: Callable[[Any], Any]) -> None:
    """Do the work for one fragment after the other.

    Raises:
        EOFError, OSError: the other end is closed.
    """
    while True:
        number, fragment = connection.recv()
        result, failed = None, None
        try:
            result = work(fragment)
        except Exception as error:  # noqa: BLE001 - raised again where the work came from
            failed = make_sendable(error)
        connection.send((number, result, failed))


def make_sendable(error: Exception) -> Exception:
    """The error itself where it can be pickled and read again, else its words."""
    try:
        found = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - whatever an error's class does
        return WorkFailedError(f"{type(error).__name__}: {error}")
    return error if type(found) is type(error) else WorkFailedError(f"{type(error).__name__}: {error}")


def _fork_workers(connection: Connection, modules: Sequence[str]) -> None:
    """Prepare the work, then fork workers, and tell how they ended, for as long as the caller asks for it."""
    for name in modules:
        importlib.import_module(name)
    work, failed = _receive_work(connection)
    connection.send(failed)
    while True:
        requested = connection.recv()
        if requested is None:
            handle = recv_handle(connection)
            connection.send(_fork_worker(connection, handle, work))
            os.close(handle)
        else:
            connection.send(_await_end(requested))


def _receive_work(connection: Connection) -> tuple[Any, Exception | None]:
    try:
        work = connection.recv()
    except (ImportError, AttributeError) as error:
        return None, WorkFailedError(f"The work cannot be read in another process: {error}")
    prepare = getattr(work, "prepare", None)
    try:
        if prepare is not None:
            prepare()
    except Exception as error:  # noqa: BLE001 - raised again where the work came from
        return None, make_sendable(error)
    return work, None


def _fork_worker(connection: Connection, handle: int, work: Any) -> tuple[int, bool]:
    """The id of a new worker, and whether it has the work."""
    shares = _is_single_threaded()
    pid = os.fork()
    if pid:
        return pid, shares
    status = 1
    try:
        connection.close()
        if not shares:
            os.set_inheritable(handle, True)
            os.execv(sys.executable, [sys.executable, "-P", "-m", "tiltyard.engines.worker", str(handle), ALONE])  # noqa: S606
        _end_with_parent()
        with contextlib.suppress(EOFError, OSError):
            serve_fragments(Connection(handle), work)
        status = 0
    finally:
        os._exit(status)  # what this process was forked from still has its own work to do


def _is_single_threaded() -> bool:
    """Whether this process has one thread, libraries' own included; False where the system does not tell."""
    try:
        return len(list(_TASKS.iterdir())) == 1
    except OSError:
        return False


def _await_end(pid: int) -> int:
    """How a worker ended, as ``Popen.returncode`` tells it; one that does not leave is killed."""
    end = time.monotonic() + LEAVE_SECONDS
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _end_with_parent() -> None:
    """A worker that records must not continue when the process that reads its results was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


if __name__ == "__main__":
    main()
