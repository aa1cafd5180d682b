"""Runs, versions and promotion: MLflow behind explicit clients, safe packages, gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.registry.mlflow_backend.experiment_tracker import ActiveRun, ExperimentTracker
    from tiltyard.registry.mlflow_backend.mlflow_client import read_experiment_name
    from tiltyard.registry.mlflow_backend.mlflow_registry import MlflowRegistry
    from tiltyard.registry.package.holdout_predictions import HOLDOUT, HoldoutPredictions
    from tiltyard.registry.package.manifest import Manifest, Samples, ScorerChoice, VersionCard
    from tiltyard.registry.package.packaging import Package, read_package, write_package
    from tiltyard.registry.package.version_loader import VersionLoader
    from tiltyard.registry.ports import ModelInfo, Registry, VersionInfo

__all__ = [
    "HOLDOUT",
    "ActiveRun",
    "ExperimentTracker",
    "HoldoutPredictions",
    "Manifest",
    "MlflowRegistry",
    "ModelInfo",
    "Package",
    "Registry",
    "Samples",
    "ScorerChoice",
    "VersionCard",
    "VersionInfo",
    "VersionLoader",
    "read_experiment_name",
    "read_package",
    "write_package",
]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "mlflow_backend.experiment_tracker": ("ActiveRun", "ExperimentTracker"),
            "mlflow_backend.mlflow_client": ("read_experiment_name",),
            "mlflow_backend.mlflow_registry": ("MlflowRegistry",),
            "package.holdout_predictions": ("HOLDOUT", "HoldoutPredictions"),
            "package.manifest": ("Manifest", "Samples", "ScorerChoice", "VersionCard"),
            "package.packaging": ("Package", "read_package", "write_package"),
            "package.version_loader": ("VersionLoader",),
            "ports": ("ModelInfo", "Registry", "VersionInfo"),
        },
    )
