"""The lower half of the composition root: from this host's settings to ledger, registry and tracker."""

from __future__ import annotations

from pathlib import Path

from tiltyard.ledger import SqlLedger
from tiltyard.ledger.spools.spool_shipper import ship
from tiltyard.project import Project
from tiltyard.registry import ExperimentTracker, ModelRegistry
from tiltyard.registry.mlflow_backend.mlflow_auth import export_credentials
from tiltyard.registry.package.signing import KeyRing, host_keys
from tiltyard.settings import Settings, this_actor


def load_settings(project: Project) -> Settings:
    """The settings of this host for a project; relative locations start at the project file."""
    return Settings.load(project.root)


def open_ledger(of: Settings) -> SqlLedger:
    """The ledger: SQLite in the state folder unless TILTYARD_LEDGER names another database.

    What servers of this host have recorded and not yet shipped is shipped first, so that it is seen.
    """
    opened = SqlLedger.open(of.ledger_url)
    if of.spool.is_dir():
        try:
            ship(of.spool, opened)
        except BaseException:
            opened.close()
            raise
    return opened


def open_registry(of: Settings) -> ModelRegistry:
    """The model registry: MLflow's, local or remote."""
    _make_folder(of.state)
    return ModelRegistry(tracking_uri=of.tracking_uri, registry_uri=of.registry_uri, settings=of)


def open_tracker(project: Project, of: Settings) -> ExperimentTracker:
    """The experiment of a project."""
    _make_folder(of.state)
    export_credentials(of)
    return ExperimentTracker(project.name, tracking_uri=of.tracking_uri, artifact_location=of.artifact_location)


def trusted_keys(of: Settings) -> KeyRing:
    """The keys by which this host judges signatures of versions."""
    return host_keys(of)


def current_actor() -> str:
    """Who acts, for the record: TILTYARD_ACTOR, or the user of this process."""
    return this_actor()


def _make_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
