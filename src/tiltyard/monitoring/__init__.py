"""What predictions tell about the health of a model."""

from tiltyard.monitoring.collector import PredictionCollector
from tiltyard.monitoring.drift import detect_drift, judge_drift
from tiltyard.monitoring.findings import Finding, could_not_judge
from tiltyard.monitoring.monitor import ModelMonitor

__all__ = ["Finding", "ModelMonitor", "PredictionCollector", "could_not_judge", "detect_drift", "judge_drift"]
