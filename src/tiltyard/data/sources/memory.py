"""How much memory is free for data, and the refusal of data that would not fit."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tiltyard.errors import DataError

PEAK = 5.5
"""Memory that a dataset takes while it is read, typed and hashed, as a multiple of its data frame.

Measured as the growth of ``load_dataset``'s peak over ``DataFrame.memory_usage(deep=True)``: 3.0 to 5.3 over numbers,
categories, short and long texts in CSV, Parquet and folders of 35 to 120 MB.
"""

PEAK_OF_OBJECTS = 8.0
"""The same where every value is a Python object at first (JSON Lines, databases): measured as 4.4 to 7.5."""

NO_LIMIT = 1 << 60  # cgroups and kernels write larger numbers, or "max", where there is no limit


@dataclass(frozen=True)
class MemoryBudget:
    """Memory that a source may take.

    Attributes:
        source: the source, as people see it.
        free: bytes of memory that are free.
        share: the part of them that may be used.
    """

    source: str
    free: int
    share: float

    @property
    def limit(self) -> float:
        """Bytes that may be used."""
        return self.free * self.share

    def require(self, frame_bytes: float, peak: float, measured: str) -> None:
        """Refuse a data frame of that size if the work with it, ``peak`` times as much, would not fit.

        Raises:
            DataError: it would not (``data.too-large``).
        """
        needed = frame_bytes * peak
        if needed <= self.limit:
            return
        raise DataError(
            f"{self.source} needs about {_is_readable(needed)} of memory ({measured}); {_is_readable(self.free)} "
            "are free.",
            next_step="Train on a sample of the rows or fewer columns, or on a machine with more memory. If the "
            "estimate is wrong, raise data.max_memory_share.",
            code="data.too-large",
            needed_bytes=int(needed),
            free_bytes=self.free,
        )


def memory_error(source: str) -> DataError:
    """The error for memory that ran out in spite of the estimate."""
    return DataError(
        f"{source} does not fit into the memory that is free.",
        next_step="Train on a sample of the rows or fewer columns, or on a machine with more memory.",
        code="data.too-large",
    )


def free_memory(root: Path = Path("/")) -> int:
    """Bytes of memory that this process can still take: the least of what the machine, its control group (cgroup, as
    containers set it) and the limits of the process leave.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    left = [_machine_memory(root), *_cgroup_memory(root), *_process_memory(root)]
    return max(0, min(left))


def _machine_memory(root: Path) -> int:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    # Elsewhere than on Linux the size of the machine is the best estimate.
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cgroup_memory(root: Path) -> Iterator[int]:
    """What each control group above this process leaves (https://docs.kernel.org/admin-guide/cgroup-v2.html)."""
    mounted = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0":
            yield from _free_in_cgroup(mounted, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _free_in_cgroup(mounted / "memory", path, *names)


def _free_in_cgroup(mounted: Path, path: str, limit: str, usage: str, reclaimable: str) -> Iterator[int]:
    # Inside a container the path may be the host's; its group is then mounted as the root.
    parts = [part for part in path.split("/") if part and part != ".."]
    for depth in range(len(parts) + 1):
        folder = mounted.joinpath(*parts[:depth])
        allowed = _number(folder / limit)
        if allowed is not None and allowed < NO_LIMIT:
            cached = [int(line.split()[1]) for line in _lines(folder / "memory.stat") if line.startswith(reclaimable)]
            yield allowed - (_number(folder / usage) or 0) + sum(cached[:1])


def _process_memory(root: Path) -> Iterator[int]:
    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    if allowed != resource.RLIM_INFINITY:
        pages = next(iter(_lines(root / "proc/self/statm")), "0").split()[0]
        yield allowed - int(pages) * os.sysconf("SC_PAGE_SIZE")


def _number(file: Path) -> int | None:
    words = [line.strip() for line in _lines(file)]
    return int(words[0]) if words and words[0].isdigit() else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _is_readable(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
