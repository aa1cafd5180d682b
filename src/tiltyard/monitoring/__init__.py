"""What predictions tell about the health of a model."""

from tiltyard.drift import detect_drift, evaluate_drift
from tiltyard.findings import Finding, could_not_judge
from tiltyard.monitoring.collection.prediction_collector import PredictionCollector
from tiltyard.monitoring.model_monitor import ModelMonitor

__all__ = ["Finding", "ModelMonitor", "PredictionCollector", "could_not_judge", "detect_drift", "evaluate_drift"]
