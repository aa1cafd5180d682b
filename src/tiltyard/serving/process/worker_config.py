"""The configuration that a supervisor hands to a worker when it starts it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tiltyard.project import ServingSection
from tiltyard.project.batch import BatchSection
from tiltyard.tasks import Task

FAILED = 70
"""The exit code of a worker that reported why it cannot work."""


class WorkerConfig(BaseModel):
    """What a worker serves, where and how.

    Attributes:
        root: folder of the project file, where settings are read.
        model_name: name of the registered model.
        alias: the alias whose version is served.
        task: the task that the version must have.
        options: the project's ``[serving]``, with the host and port that are in use.
        batch: the project's ``[batch]``.
        number: which of the workers it is, from 0.
        workers: how many there are.
        listener: descriptor of a listening socket that it inherits; None: it binds its own socket to the shared port.
        ledger: ``direct`` into the ledger, or through its own ``spool``.
        insecure_open: whether it may listen beyond loopback without API keys.
        server: names the server for as long as it runs, the same for all its workers.
        knew_keys: whether the supervisor knew of API keys when it started the worker.
        calls: descriptor of the shared memory in which it notes the model calls under way; None for none.
    """

    model_config = ConfigDict(frozen=True)

    root: Path
    model_name: str
    alias: str
    task: Task | None
    options: ServingSection
    batch: BatchSection = BatchSection()
    number: int
    workers: int
    listener: int | None
    ledger: Literal["direct", "spool"]
    insecure_open: bool = False
    server: str = ""
    knew_keys: bool = False
    calls: int | None = None
