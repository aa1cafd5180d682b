"""The version that is served, with all that belongs to it, as one value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tiltyard.registry.package.manifest import Manifest
from tiltyard.registry.ports import VersionInfo
from tiltyard.scoring import Scorer
from tiltyard.scoring.table.columns import InputColumns
from tiltyard.scoring.text.text_inputs import TextColumns
from tiltyard.tasks import SetCalibration, reads_text


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version that was verified, warmed up and smoke-tested.

    Attributes:
        scorer: predicts batches.
        info: its entry in the registry.
        manifest: the manifest of its package.
        alias: the alias under which it is served, such as ``champion``; the route of its predictions.
        folder: its package on this host.
        since: since when it is served here, UTC.
        evidence: the result of its smoke test (see ``smoke_test``).
        sets: what makes prediction sets of its labels; None for nothing.
    """

    scorer: Scorer
    info: VersionInfo
    manifest: Manifest
    alias: str
    folder: Path
    since: datetime
    evidence: Mapping[str, Any] = field(default_factory=dict)
    sets: SetCalibration | None = None

    @property
    def platform(self) -> str:
        """What predicts, as V2 names it: words joined by underscores, such as ``tiltyard_compiled_text``."""
        return "_".join(["tiltyard", *re.findall(r"[a-z0-9-]+", self.scorer.kind.lower())])

    @property
    def columns(self) -> InputColumns | None:
        """The features that a table model knows; None for text."""
        return (
            None if reads_text(self.manifest.task) else InputColumns(self.manifest.columns, self.manifest.other_columns)
        )

    @property
    def known_columns(self) -> InputColumns | TextColumns:
        """The columns that the model knows, of a table or of texts, with the others of its training file."""
        manifest = self.manifest
        return self.columns or TextColumns(
            manifest.text_column, frozenset(manifest.other_columns), manifest.group_column
        )
