"""Programs that lead a process group: started, looked for and killed together with their children."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRESS = "TILTYARD_PROGRESS"
"""The environment variable that has a command print a line on standard error as each step begins: ``lines``."""
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


def launch_group(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    folder: Path | None = None,
    errors: int | None = None,
) -> subprocess.Popen[str]:
    """Start a program as the leader of a new process group, with its standard output in a pipe.

    On Linux it ends with the thread that starts it.

    Args:
        command: the program and its arguments.
        environment: variables in addition to those of this process.
        folder: where it runs; default: where this process does.
        errors: where its standard error goes, as of ``subprocess``; default: to that of this process.
    """
    return subprocess.Popen(  # noqa: S603 - our own command line
        command,
        env={**os.environ, **environment},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        # Ctrl-C at the terminal is for the supervisor; it ends the others in order.
        start_new_session=True,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
    )


def group_exists(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def kill_group(group: int) -> None:
    """Kill all processes of a group; a group that is gone is a no-op."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _end_with_parent() -> None:
    """Let the kernel end a program whose supervisor was killed (Linux)."""
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)
