"""Where work over many fragments runs: in this process, in local processes, or on a cluster."""

from __future__ import annotations

from tiltyard.engines.choice import EngineName, choose_engine
from tiltyard.engines.engine import Engine, SameProcess
from tiltyard.engines.local_processes import LocalProcesses, WorkerLostError
from tiltyard.engines.ray_cluster import RayCluster

__all__ = ["Engine", "EngineName", "LocalProcesses", "RayCluster", "SameProcess", "WorkerLostError", "choose_engine"]
