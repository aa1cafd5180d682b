"""Telemetry of a running server: metrics, traces, logs and CPU profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.serving.telemetry.instrumentation import PREDICTIONS, Instrumentation
    from tiltyard.serving.telemetry.metrics import Metrics
    from tiltyard.serving.telemetry.multiprocess import MultiprocessMetrics

__all__ = ["PREDICTIONS", "Instrumentation", "Metrics", "MultiprocessMetrics"]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "instrumentation": ("PREDICTIONS", "Instrumentation"),
            "metrics": ("Metrics",),
            "multiprocess": ("MultiprocessMetrics",),
        },
    )
