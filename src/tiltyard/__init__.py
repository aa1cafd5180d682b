"""Tiltyard closes the MLOps loop for scikit-learn-class models.

The public names are imported when they are first used, so that ``import tiltyard`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiltyard.monitoring import ModelMonitor, PredictionCollector, detect_drift
    from tiltyard.registry import ExperimentTracker, ModelRegistry
    from tiltyard.serving.server import ModelServer
    from tiltyard.validation import DataValidator

__version__ = "0.1.0"

__all__ = [
    "DataValidator",
    "ExperimentTracker",
    "MLOpsPipeline",
    "ModelMonitor",
    "ModelRegistry",
    "ModelServer",
    "PredictionCollector",
    "__version__",
    "detect_drift",
]

# MLOpsPipeline is not among the imports for type checkers above: parts below the pipeline read the version from here,
# and would thereby import the pipeline in the eyes of import-linter.
_HOMES = {
    "DataValidator": "tiltyard.validation",
    "ExperimentTracker": "tiltyard.registry",
    "MLOpsPipeline": "tiltyard.pipeline.mlops_pipeline",
    "ModelMonitor": "tiltyard.monitoring",
    "ModelRegistry": "tiltyard.registry",
    "ModelServer": "tiltyard.serving.server",
    "PredictionCollector": "tiltyard.monitoring",
    "detect_drift": "tiltyard.monitoring",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tiltyard' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
