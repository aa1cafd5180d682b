"""The identity of a lease holder: processes of the same host see whether it still runs."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def current_holder() -> str:
    """This process: its host, its number, and when the host started it."""
    return f"{name_host()}|{os.getpid()}|{_read_start_time(os.getpid())}"


def is_gone(holder: str) -> bool:
    """Whether a holder is known to be gone, which only processes of the same host can know."""
    host, _, process = holder.rpartition("|")[0].rpartition("|")
    started = holder.rpartition("|")[2]
    if host != name_host() or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it runs, as another user
    except OSError:
        return False
    # Numbers of processes are used again: then it was started at another time.
    return started != _read_start_time(int(process))


def name_host() -> str:
    """This host, and among containers with the same name this one: processes are numbered anew in each."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{platform.node()}/{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()


def _read_start_time(process: int) -> str:
    """When a process was started, in ticks since the host was; empty where that is unknown."""
    try:
        # The second field, the program's name in brackets, may hold anything.
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        # A process that has ended and was not yet waited for holds nothing any more.
        return "ended" if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return ""
