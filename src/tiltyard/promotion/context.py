"""Where decisions about versions are made: registry, ledger and what of this host they need."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from tiltyard import wiring
from tiltyard.aliases import CHAMPION
from tiltyard.data.conform.schema import TableSchema
from tiltyard.errors import ArtifactError, NotFoundError
from tiltyard.ledger import Ledger
from tiltyard.project import AlertsSection
from tiltyard.registry import Package, Registry, VersionInfo, VersionLoader
from tiltyard.registry.package.manifest import verify
from tiltyard.registry.package.signing import NO_KEYS, KeyRing, Signer, host_signer
from tiltyard.registry.ports import DATA_TAG
from tiltyard.settings import Settings

logger = logging.getLogger(__name__)
NO_DESTINATIONS = AlertsSection()


@dataclass(frozen=True)
class Workspace:
    """Where promotions happen: the registry, the ledger, and what of this host they need.

    Attributes:
        registry: where versions are registered.
        ledger: where decisions are recorded.
        cache: folder of this host's verified copies of versions.
        trusted_types: Python types that this host allows in a stored model, beyond scikit-learn's own.
        actor: who acts, for the record.
        trusted_keys: the keys by which this host verifies signatures.
        signer: the key that signs new versions; None where this host does not sign.
        snapshots: folder or URL where the rows of trainings are stored; None where none are.
        alerts: who is notified of decisions.
    """

    registry: Registry
    ledger: Ledger
    cache: Path
    trusted_types: tuple[str, ...]
    actor: str
    trusted_keys: KeyRing = NO_KEYS
    signer: Signer | None = None
    snapshots: str | None = None
    alerts: AlertsSection = NO_DESTINATIONS

    def load(self, info: VersionInfo) -> Package:
        """Fetch and verify a version."""
        return VersionLoader(self.registry, self.cache, self.trusted_types, self.trusted_keys).load(info)

    def find_split_schema(self, model_name: str, before: VersionInfo | None = None) -> TableSchema | None:
        """The columns and kinds by which rows were divided when the model was trained last; None where none were.

        What the rows of the champion were divided by counts; without a champion, those of the newest trained version.
        One whose files are gone or damaged is passed over, with a warning: a new training is what helps then.

        Args:
            model_name: the model.
            before: the version that is trained again, whose rows are divided as they were; default: none.

        Raises:
            UnavailableError: the registry cannot be reached.
        """
        versions = [before] if before else self.registry.list_versions(model_name)
        trained = [info for info in versions if DATA_TAG in info.tags]
        for info in sorted(trained, key=lambda info: CHAMPION not in info.aliases):
            try:
                manifest = verify(self.registry.fetch(info, self.cache), self.trusted_keys).manifest
            except (ArtifactError, NotFoundError) as error:
                logger.warning(
                    "Version %s does not say how rows were divided, so they may change sides: %s",
                    info.version,
                    error.message,
                )
                continue
            return manifest.split_schema or manifest.table_schema
        return None


def build_workspace(
    settings: Settings, ledger: Ledger, alerts: AlertsSection = NO_DESTINATIONS, *, registry: Registry | None = None
) -> Workspace:
    """The workspace of this host.

    Args:
        settings: of this host: keys, trusted types, folders.
        ledger: where decisions are recorded.
        alerts: who is notified of them.
        registry: where versions are registered; default: the registry that the settings name.

    Raises:
        UsageError: the signing key cannot be used.
    """
    return Workspace(
        registry or wiring.open_registry(settings),
        ledger,
        settings.cache,
        settings.trusted_types,
        wiring.current_actor(),
        trusted_keys=wiring.trusted_keys(settings),
        signer=host_signer(settings),
        snapshots=settings.snapshot_store,
        alerts=alerts,
    )
