"""Tiltyard closes the MLOps loop for scikit-learn-class models.

The names below are the public ones; everything else is private. They are imported when they are first used, so that
``import tiltyard`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tiltyard._version import __version__

if TYPE_CHECKING:
    from tiltyard.batch.from_python import score_source as score
    from tiltyard.drift.api import detect_drift
    from tiltyard.errors import TiltyardError
    from tiltyard.models.tfidf.vectoriser import FastTfidfVectorizer
    from tiltyard.monitoring.collection.prediction_collector import PredictionCollector
    from tiltyard.monitoring.model_monitor import ModelMonitor
    from tiltyard.pipeline.adoption.evaluate_rows import evaluate_on_rows as evaluate
    from tiltyard.pipeline.adoption.from_python import adopt
    from tiltyard.pipeline.mlops_pipeline import MLOpsPipeline
    from tiltyard.project import Project, load_project
    from tiltyard.promotion.model_registry import ModelRegistry
    from tiltyard.registry.mlflow_backend.experiment_tracker import ExperimentTracker
    from tiltyard.scoring.explanations import explain
    from tiltyard.serving.server import ModelServer
    from tiltyard.validation.validator import DataValidator

__all__ = [
    "DataValidator",
    "ExperimentTracker",
    "FastTfidfVectorizer",
    "MLOpsPipeline",
    "ModelMonitor",
    "ModelRegistry",
    "ModelServer",
    "PredictionCollector",
    "Project",
    "TiltyardError",
    "__version__",
    "adopt",
    "detect_drift",
    "evaluate",
    "explain",
    "load_project",
    "score",
]

_MODULES = {
    "DataValidator": "tiltyard.validation.validator",
    "ExperimentTracker": "tiltyard.registry.mlflow_backend.experiment_tracker",
    "FastTfidfVectorizer": "tiltyard.models.tfidf.vectoriser",
    "MLOpsPipeline": "tiltyard.pipeline.mlops_pipeline",
    "ModelMonitor": "tiltyard.monitoring.model_monitor",
    "ModelRegistry": "tiltyard.promotion.model_registry",
    "ModelServer": "tiltyard.serving.server",
    "PredictionCollector": "tiltyard.monitoring.collection.prediction_collector",
    "Project": "tiltyard.project",
    "TiltyardError": "tiltyard.errors",
    "adopt": "tiltyard.pipeline.adoption.from_python",
    "detect_drift": "tiltyard.drift.api",
    "evaluate": "tiltyard.pipeline.adoption.evaluate_rows:evaluate_on_rows",
    "explain": "tiltyard.scoring.explanations",
    "load_project": "tiltyard.project",
    "score": "tiltyard.batch.from_python:score_source",
}


if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module 'tiltyard' has no attribute '{name}'")
        module, _, attribute = _MODULES[name].partition(":")
        value = getattr(importlib.import_module(module), attribute or name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
