"""The version that answers, with all that belongs to it, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tiltyard.registry.package.manifest import Manifest
from tiltyard.registry.ports import VersionInfo
from tiltyard.scoring import Scorer
from tiltyard.scoring.table.columns import InputColumns


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version that was verified, warmed and tried, and may answer.

    Attributes:
        scorer: answers batches.
        info: what the registry says of it.
        manifest: what its package says of it.
        alias: the alias under which it answers, such as ``champion``; the route of its predictions.
        folder: its package on this host.
        since: when it began to answer here, UTC.
        evidence: how it did when it was tried (see ``smoke_test``).
    """

    scorer: Scorer
    info: VersionInfo
    manifest: Manifest
    alias: str
    folder: Path
    since: datetime
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> InputColumns | None:
        """The features that a table model knows; None for text."""
        return None if self.manifest.task == "text-classification" else InputColumns(self.manifest.columns)
