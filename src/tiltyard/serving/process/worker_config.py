"""What a keeper tells a worker to do."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tiltyard.project import ServingSection, Task

FAILED = 70
"""The exit code of a worker that told why it cannot work."""


class WorkerConfig(BaseModel):
    """What a worker is to do.

    Attributes:
        root: folder of the project file, where settings are read.
        model: name of the registered model.
        alias: the alias whose version answers.
        task: what the version has to be for.
        options: the project's ``[serving]``, with host and port as they are listened on.
        slot: which of the workers it is, from 0.
        workers: how many there are.
        listener: descriptor of a socket that listens; None to bind one of its own to the shared port.
        ledger: ``direct`` into the ledger, or through a ``spool`` of its own.
        insecure_open: whether it may listen beyond loopback without API keys.
    """

    model_config = ConfigDict(frozen=True)

    root: Path
    model: str
    alias: str
    task: Task | None
    options: ServingSection
    slot: int
    workers: int
    listener: int | None
    ledger: Literal["direct", "spool"]
    insecure_open: bool = False
