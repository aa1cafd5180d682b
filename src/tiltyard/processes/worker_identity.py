"""Which of several worker processes this one is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tiltyard.processes.model_calls import ModelCalls


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """The place of one process among the workers of a server.

    Attributes:
        root: the project's folder, where the user's modules are found; None for the working folder.
        worker: the number of this worker among those that share the port, from 0.
        metrics_folder: where the workers leave their counts for each other; None for a single worker.
        server: names the server for as long as it runs, the same in all its workers; empty: a new name.
        calls: where it notes the model calls that are under way, for its supervisor.
    """

    root: Path | None = None
    worker: int = 0
    metrics_folder: Path | None = None
    server: str = ""
    calls: ModelCalls = field(default_factory=ModelCalls, compare=False, repr=False)


SINGLE_PROCESS = WorkerIdentity()
"""A server in one process, without a project."""
