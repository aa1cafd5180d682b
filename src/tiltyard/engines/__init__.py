"""Where work over many fragments runs: in this process, in local processes, or on a cluster."""

from __future__ import annotations

from tiltyard.engines.engine import Engine, SameProcess
from tiltyard.engines.local_processes import LocalProcesses, WorkerLostError

__all__ = ["Engine", "LocalProcesses", "SameProcess", "WorkerLostError"]
