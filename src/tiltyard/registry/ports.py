"""What the other packages may request of a model registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from tiltyard.aliases import CHALLENGER, CHAMPION
from tiltyard.result_display import ShownResult

Stage = Literal["Production", "Staging", "Archived", "None"]

# Tags of registered versions that several parts read.
VERDICT_TAG = "tiltyard.verdict"
FINDINGS_TAG = "tiltyard.data_findings"
DATA_TAG = "tiltyard.data_fingerprint"
CANDIDATE_TAG = "tiltyard.candidate"
ADOPTED_TAG = "tiltyard.adopted_from"
ARCHIVED_TAG = "tiltyard.archived"


@dataclass(frozen=True, repr=False)
class VersionInfo(ShownResult):
    """A registered version.

    Attributes:
        name: the registered model.
        version: MLflow's number, as text.
        aliases: aliases that name it, sorted.
        run_id: the run that made it; None for a version from elsewhere.
        created_at: when it was registered, UTC.
        description: for people.
        metrics: its metrics on the test rows, as far as they were stored with it.
        tags: its other tags.
        source: where its files are.
    """

    name: str
    version: str
    aliases: tuple[str, ...]
    run_id: str | None
    created_at: datetime
    description: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def stage(self) -> Stage:
        """The stage in the words of MLflow's deprecated stages, which aliases and a tag stand for here."""
        named: tuple[tuple[Stage, bool], ...] = (
            ("Production", CHAMPION in self.aliases),
            ("Staging", CHALLENGER in self.aliases),
            ("Archived", ARCHIVED_TAG in self.tags),
        )
        return next((stage for stage, holds in named if holds), "None")

    @property
    def label(self) -> str | None:
        """Its semantic label, such as ``2.1.0``; None for a version that was registered without one."""
        return self.tags.get("tiltyard.label")

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """The model, and the version's number, names, metrics and origin."""
        return self.name, {
            "version": self.version,
            "label": self.label,
            "aliases": list(self.aliases),
            "stage": self.stage,
            "metrics": dict(self.metrics),
            "registered": f"{self.created_at:%Y-%m-%d %H:%M:%S} UTC",
            "run_id": self.run_id,
            "description": self.description,
        }


@dataclass(frozen=True, repr=False)
class ModelInfo(ShownResult):
    """A registered model.

    Attributes:
        name: its name.
        aliases: the version that each alias names.
    """

    name: str
    aliases: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """The model, and the version that each alias names."""
        return "Registered model", {"name": self.name, "aliases": dict(self.aliases)}


class Registry(Protocol):
    """Versions and the aliases that name them.

    Must be safe to use from several threads. Every method may raise ``UnavailableError`` while the registry cannot be
    reached, and ``NotFoundError`` for a version that does not exist.
    """

    def register_model(
        self,
        model_uri: str,
        name: str,
        description: str = "",
        *,
        tags: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        run_id: str | None = None,
    ) -> VersionInfo:
        """Make the next version of a model from a logged one; the model comes into being with its first version."""

    def list_models(self) -> Sequence[ModelInfo]:
        """All registered models, by name."""

    def list_versions(self, name: str) -> Sequence[VersionInfo]:
        """All versions of a model, newest first; none if the model does not exist."""

    def get_version(self, name: str, *, version: str | None = None, alias: str | None = None) -> VersionInfo:
        """The version of that number or semantic label, or the one that an alias names; just one of them is given."""

    def champion(self, name: str) -> VersionInfo | None:
        """The version that serves users, or None."""

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias name a version, in place of any other."""

    def delete_alias(self, name: str, alias: str) -> None:
        """Let an alias name nothing; a missing alias is a no-op."""

    def set_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""

    def delete_tag(self, name: str, version: str, key: str) -> None:
        """Remove a tag of a version; a missing tag is a no-op."""

    def fetch(self, info: VersionInfo, cache: Path) -> Path:
        """A folder of this host with the version's files.

        A copy that is there already is used again, also while the registry is away. A copy is there whole or not at
        all, however a download ends.
        """
