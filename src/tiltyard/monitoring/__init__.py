"""What predictions tell about the health of a model."""

from tiltyard.monitoring.collector import PredictionCollector

__all__ = ["PredictionCollector"]
