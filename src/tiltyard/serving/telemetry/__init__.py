"""What a running server tells of itself: metrics, traces, logs, profiles."""

from tiltyard.serving.telemetry.instrumentation import PREDICTIONS, Instrumentation
from tiltyard.serving.telemetry.metrics import Metrics
from tiltyard.serving.telemetry.multiprocess import MultiprocessMetrics

__all__ = ["PREDICTIONS", "Instrumentation", "Metrics", "MultiprocessMetrics"]
