"""The memory of a server's processes, each by its name."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SETTLED_SECONDS = 12.0
# What our processes are started with, and what they are.
_ROLES = {
    "tiltyard.serving.process.worker": "worker",
    "tiltyard.serving.process.registry_process": "registry",
    "serve": "supervisor",
}


@dataclass(frozen=True)
class Footprint:
    """What a server takes.

    Attributes:
        memory: MiB by process.
        first: seconds to the first prediction where nothing was left of earlier runs.
        later: the same where it ran before.
    """

    memory: dict[str, float]
    first: float
    later: float

    @property
    def total(self) -> float:
        """MiB of all processes."""
        return sum(self.memory.values())

    def to_dict(self) -> dict[str, Any]:
        """As in the JSON output."""
        return {
            "memory_mb": {
                **{name: round(used, 1) for name, used in self.memory.items()},
                "total": round(self.total, 1),
            },
            "ready_seconds": {"first": round(self.first, 2), "later": round(self.later, 2)},
        }


def memory_kind() -> str:
    """What is measured: the proportional set size, or where the system has none, the resident memory."""
    return "proportional set size" if _read_proportional(psutil.Process()) is not None else "resident memory"


def measure_memory(process: psutil.Process) -> dict[str, float]:
    """MiB of a process and of all that it started, by name; several of one name are numbered."""
    found: dict[str, float] = {}
    seen: Counter[str] = Counter()
    for part in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            name = name_process(part.cmdline() or [part.name()])
            proportional = _read_proportional(part)
            used = float(part.memory_info().rss) if proportional is None else proportional
            found[f"{name} {seen[name]}" if seen[name] else name] = used / 2**20
            seen[name] += 1
    return found


def name_process(command: Sequence[str]) -> str:
    """What a process is, for people: its role in our server, else its program or module."""
    for word, role in _ROLES.items():
        if word in command:
            return role
    words = [word for word in command[1:] if not word.startswith("-")]
    return Path(words[0]).name if words else Path(command[0]).name


def wait_until_settled(servers: Sequence[psutil.Process], seconds: float = SETTLED_SECONDS) -> None:
    """Wait until the processes of all servers are the same ones for a while; at most ten times as long."""
    begun = since = time.monotonic()
    before: set[int] = set()
    while time.monotonic() - since < seconds and time.monotonic() - begun < 10 * seconds:
        now = {process.pid for server in servers for process in server.children(recursive=True)}
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(seconds / 24)


def _read_proportional(process: psutil.Process) -> float | None:
    """Bytes; None where the system does not tell."""
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1]) * 1024
    except OSError:
        return None
    return None
