"""Telemetry of a running server: metrics, traces, logs and CPU profiles."""

from tiltyard.serving.telemetry.instrumentation import PREDICTIONS, Instrumentation
from tiltyard.serving.telemetry.metrics import Metrics
from tiltyard.serving.telemetry.multiprocess import MultiprocessMetrics

__all__ = ["PREDICTIONS", "Instrumentation", "Metrics", "MultiprocessMetrics"]
