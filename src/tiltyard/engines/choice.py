"""Which engine does the work."""

from __future__ import annotations

import os
from typing import Literal

from tiltyard.engines.engine import Engine, SameProcess
from tiltyard.engines.local_processes import LocalProcesses
from tiltyard.engines.ray_cluster import RayCluster

EngineName = Literal["local", "ray"]


def choose_engine(name: EngineName, workers: int | None, *, little: bool = False) -> Engine:
    """The engine of this name.

    Args:
        name: ``local`` for processes of this machine, ``ray`` for a Ray cluster.
        workers: how many processes; None for as many as there are processors.
        little: whether starting processes would take longer than the work.
    """
    if name == "ray":
        return RayCluster(workers=workers)
    count = workers or os.cpu_count() or 1
    return SameProcess() if count == 1 or (little and workers is None) else LocalProcesses(count)
