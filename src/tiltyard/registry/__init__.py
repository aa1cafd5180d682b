"""Runs, versions and promotion: MLflow behind explicit clients, safe packages, gates."""

from tiltyard.registry.gates import Cost, DataFindings, GateResult, Inspection, Verdict, judge
from tiltyard.registry.held_out import HELD_OUT, HeldOut
from tiltyard.registry.manifest import Manifest, Samples, ScorerChoice, VersionCard
from tiltyard.registry.models import ModelRegistry
from tiltyard.registry.packaging import Package, read_package, write_package
from tiltyard.registry.ports import ModelInfo, Registry, VersionInfo
from tiltyard.registry.tracking import ActiveRun, ExperimentTracker

__all__ = [
    "HELD_OUT",
    "ActiveRun",
    "Cost",
    "DataFindings",
    "ExperimentTracker",
    "GateResult",
    "HeldOut",
    "Inspection",
    "Manifest",
    "ModelInfo",
    "ModelRegistry",
    "Package",
    "Registry",
    "Samples",
    "ScorerChoice",
    "Verdict",
    "VersionCard",
    "VersionInfo",
    "judge",
    "read_package",
    "write_package",
]
