"""What every benchmark says of the machine and of itself as a process."""

from __future__ import annotations

import os
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path


def machine(*libraries: str) -> str:
    """Processor, cores that this process may use, system, Python, and the installed versions of libraries."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    used = "" if usable == os.cpu_count() else f" of which {usable} may be used"
    facts = [
        cpu,
        f"{os.cpu_count()} cores{used}",
        platform.system(),
        f"Python {platform.python_version()}",
        *(f"{library} {version(library)}" for library in libraries),
    ]
    return ", ".join(facts)


def peak_mb() -> float:
    """The most memory that this process held so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike ru_maxrss, not inherited from the process that started this one
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
