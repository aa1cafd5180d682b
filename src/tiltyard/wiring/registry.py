"""Which registry and tracker are in use, and with which keys and under whose name this host acts.

The registry's modules are imported where they are used: every command reads settings here, and most need no model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.settings import Settings, this_actor

if TYPE_CHECKING:
    from tiltyard.project import Project
    from tiltyard.registry import ExperimentTracker, MlflowRegistry, Registry, VersionLoader
    from tiltyard.registry.package.signing import KeyRing


def load_settings(project: Project) -> Settings:
    """The settings of this host for a project; relative locations start at the project file."""
    return Settings.load(project.root)


def open_registry(settings: Settings) -> MlflowRegistry:
    """The model registry: MLflow's, local or remote."""
    from tiltyard.registry import MlflowRegistry  # noqa: PLC0415 - see above

    settings.make_state()
    return MlflowRegistry(tracking_uri=settings.tracking_uri, registry_uri=settings.registry_uri, settings=settings)


def open_version_loader(settings: Settings, registry: Registry) -> VersionLoader:
    """Loads versions of a registry with the cache, the trusted types and the keys of this host.

    Raises:
        UsageError: a key that this host names cannot be used.
    """
    from tiltyard.registry import VersionLoader  # noqa: PLC0415 - see above

    return VersionLoader(registry, settings.cache, settings.trusted_types, trusted_keys(settings))


def open_tracker(project: Project, settings: Settings) -> ExperimentTracker:
    """The experiment of a project."""
    from tiltyard.registry import ExperimentTracker  # noqa: PLC0415 - see above
    from tiltyard.registry.mlflow_backend.mlflow_auth import export_credentials  # noqa: PLC0415 - likewise

    settings.make_state()
    export_credentials(settings)
    return ExperimentTracker(
        project.name, tracking_uri=settings.tracking_uri, artifact_location=settings.artifact_location
    )


def trusted_keys(settings: Settings) -> KeyRing:
    """The keys by which this host verifies signatures of versions."""
    from tiltyard.registry.package.signing import host_keys  # noqa: PLC0415 - see above

    return host_keys(settings)


def current_actor() -> str:
    """Who acts, for the record: TILTYARD_ACTOR, or the user of this process."""
    return this_actor()
