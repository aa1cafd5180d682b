"""What a running server tells of itself: metrics, traces, logs, profiles."""

from tiltyard.serving.telemetry.instrumentation import PREDICTIONS, Observer
from tiltyard.serving.telemetry.metrics import Metrics
from tiltyard.serving.telemetry.multiprocess import Workers

__all__ = ["PREDICTIONS", "Metrics", "Observer", "Workers"]
