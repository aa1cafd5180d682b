"""What predictions tell about the health of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.drift import detect_drift, evaluate_drift
    from tiltyard.findings import Finding, could_not_judge
    from tiltyard.monitoring.collection.prediction_collector import PredictionCollector
    from tiltyard.monitoring.model_monitor import ModelMonitor

__all__ = ["Finding", "ModelMonitor", "PredictionCollector", "could_not_judge", "detect_drift", "evaluate_drift"]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "tiltyard.drift": (
                "detect_drift",
                "evaluate_drift",
            ),
            "tiltyard.findings": (
                "Finding",
                "could_not_judge",
            ),
            "collection.prediction_collector": ("PredictionCollector",),
            "model_monitor": ("ModelMonitor",),
        },
    )
