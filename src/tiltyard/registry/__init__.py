"""Runs, versions and promotion: MLflow behind explicit clients, safe packages, gates."""

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
