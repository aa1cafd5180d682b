"""The version that a monitoring run evaluates: its files and figures, without constructing its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tiltyard.data.conform.schema import TableSchema
from tiltyard.errors import TiltyardError
from tiltyard.evaluation import find_metric
from tiltyard.registry import HOLDOUT, HoldoutPredictions, Manifest, Registry, VersionInfo
from tiltyard.registry.package.manifest import FOLDER, read_verified, verify
from tiltyard.registry.package.signing import NO_KEYS, KeyRing
from tiltyard.registry.package.stored_evaluation import EVALUATION, StoredEvaluation
from tiltyard.registry.package.version_seal import check_identity
from tiltyard.settings import Settings
from tiltyard.tasks import TASKS, USUAL_TARGET, TaskTarget
from tiltyard.wiring import open_registry, trusted_keys


@dataclass(frozen=True)
class MonitoredVersion:
    """A version that is monitored.

    Attributes:
        model_name: name of the registered model.
        version: registry version.
        classes: its labels, in the order of the held-out probabilities.
        metrics: its metrics on its held-out rows.
        held_out: those rows; None where it was packaged without.
        positive: the label that counts as positive; None where none was named.
        manifest: its manifest; None where only its figures are known.
        folder: its verified files; None where only its figures are known.
    """

    model_name: str
    version: str
    classes: tuple[str, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    held_out: HoldoutPredictions | None = None
    positive: str | None = None
    manifest: Manifest | None = None
    folder: Path | None = None

    @property
    def evaluation_rows(self) -> int | None:
        """Number of its held-out rows; None where that is not known."""
        return None if self.held_out is None else len(self.held_out)

    @property
    def table_schema(self) -> TableSchema | None:
        """How it reads the cells of inputs; None for texts, and where its manifest is not known."""
        return None if self.manifest is None else self.manifest.table_schema

    @property
    def evaluation(self) -> StoredEvaluation | None:
        """What its training found on its held-out rows; None where it was packaged without.

        Raises:
            ArtifactError: the file was changed since the version was read, or holds something else.
        """
        content = self.attachment(EVALUATION)
        return None if content is None else StoredEvaluation.from_bytes(content)

    @property
    def target(self) -> TaskTarget:
        """What the version predicts; where only its figures are known, what these are of."""
        if self.manifest is not None:
            return TASKS[self.manifest.task].target
        known = (metric for name in self.metrics if (metric := find_metric(name)) is not None)
        return next((metric.target for metric in known), USUAL_TARGET)

    def attachment(self, name: str) -> bytes | None:
        """A file that is packaged with the version; None where there is none.

        Raises:
            ArtifactError: it was changed since the version was read.
        """
        if self.manifest is None or self.folder is None or f"{FOLDER}/{name}" not in self.manifest.files:
            return None
        return read_verified(self.folder, self.manifest, f"{FOLDER}/{name}")


def read_monitored_version(info: VersionInfo, folder: Path, keys: KeyRing = NO_KEYS) -> MonitoredVersion:
    """Read a version from its files, which are verified first.

    Raises:
        ArtifactError: the files are not what was packaged, not those of this version, or not signed by a key that this
            host trusts.
    """
    verified = verify(folder, keys)
    check_identity(verified, info, keys)
    manifest = verified.manifest
    monitored = MonitoredVersion(
        model_name=info.name,
        version=info.version,
        classes=manifest.classes,
        metrics=dict(manifest.metrics),
        positive=manifest.positive,
        manifest=manifest,
        folder=folder,
    )
    content = monitored.attachment(HOLDOUT)
    return monitored if content is None else replace(monitored, held_out=HoldoutPredictions.from_bytes(content))


def read_champion(registry: Registry, model_name: str, cache: Path, keys: KeyRing = NO_KEYS) -> MonitoredVersion | None:
    """The champion of a model, fetched and verified; None where there is none.

    Raises:
        ArtifactError: its files are damaged or not trusted.
        UnavailableError: the registry cannot be reached, and no copy is here.
    """
    info = registry.champion(model_name)
    return None if info is None else read_monitored_version(info, registry.fetch(info, cache), keys)


def find_champion(settings: Settings, model_name: str, registry: Registry | None = None) -> MonitoredVersion | None:
    """The champion in a registry, or in that of this host; None where there is none, or it cannot be read."""
    if registry is None:
        if settings.mlflow_tracking_uri is None and not (settings.state / "mlflow.db").exists():
            return None
        registry = open_registry(settings)
    try:
        return read_champion(registry, model_name, settings.cache, trusted_keys(settings))
    except TiltyardError:
        # The figures of the ledger are useful without it; tiltyard doctor reports what is wrong.
        return None
