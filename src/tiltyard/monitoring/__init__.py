"""What predictions tell about the health of a model."""

from tiltyard.monitoring.collector import PredictionCollector
from tiltyard.monitoring.findings import Finding, could_not_judge

__all__ = ["Finding", "PredictionCollector", "could_not_judge"]
