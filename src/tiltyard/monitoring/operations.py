"""How the service ran: how many predictions it made, with which versions, how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tiltyard.monitoring.prediction_window import PredictionWindow

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Operations:
    """Figures of a window's predictions. Failed requests are not among them: the ledger holds predictions only.

    Attributes:
        predictions: number of predictions, also of those that were not read one by one.
        predictions_before: number in the period of the same length before.
        by_version: number by version, most frequent first.
        by_route: number by route.
        by_label: number by predicted label.
        latency_ms: quantiles of the time from acceptance to the ledger, by name; empty where none was measured.
        latency_by_version: the same by version.
        mean_confidence: None without predictions.
    """

    predictions: int
    predictions_before: int
    by_version: Mapping[str, int]
    by_route: Mapping[str, int]
    by_label: Mapping[str, int]
    latency_ms: Mapping[str, float]
    latency_by_version: Mapping[str, Mapping[str, float]]
    mean_confidence: float | None


def summarise_operations(window: PredictionWindow, predictions_before: int = 0) -> Operations:
    """The figures of a window; ``predictions_before`` is the number of predictions in the period before it."""
    versions = dict(Counter(window.versions.tolist()).most_common())
    return Operations(
        predictions=len(window) + window.left_out,
        predictions_before=predictions_before,
        by_version=versions,
        by_route=dict(Counter(window.routes.tolist()).most_common()),
        by_label={} if window.is_of_numbers else dict(Counter(window.predicted.tolist()).most_common()),
        latency_ms=_latency_quantiles(window),
        latency_by_version={
            version: _latency_quantiles(window.take(window.versions == version)) for version in versions
        },
        mean_confidence=float(window.confidence.mean()) if len(window) and not window.is_of_numbers else None,
    )


def _latency_quantiles(window: PredictionWindow) -> dict[str, float]:
    if not len(window.latency_ms):
        return {}
    return {name: float(np.quantile(window.latency_ms, share)) for name, share in QUANTILES.items()}
