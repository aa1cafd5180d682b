"""A worker process: ``python -m tiltyard.engines.worker FD`` does the work that comes over that socket."""

from __future__ import annotations

import ctypes
import pickle
import signal
import sys
from multiprocessing.connection import Connection

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


class WorkFailedError(Exception):
    """What a worker's code raised, where that cannot be sent as it is."""


def main() -> None:
    """Receive the work, then fragment after fragment, until the other end is closed."""
    if sys.platform == "linux":
        # A worker that records must not continue when the process that reads its results was killed.
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    connection = Connection(int(sys.argv[1]))
    try:
        try:
            work = connection.recv()
        except (ImportError, AttributeError) as error:
            connection.send((-1, None, WorkFailedError(f"The work cannot be read in another process: {error}")))
            return
        while True:
            number, fragment = connection.recv()
            result, failed = None, None
            try:
                result = work(fragment)
            except Exception as error:  # noqa: BLE001 - raised again where the work came from
                failed = make_sendable(error)
            connection.send((number, result, failed))
    except (EOFError, OSError):
        return


def make_sendable(error: Exception) -> Exception:
    """The error itself where it can be pickled and read again, else its words."""
    try:
        found = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - whatever an error's class does
        return WorkFailedError(f"{type(error).__name__}: {error}")
    return error if type(found) is type(error) else WorkFailedError(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
