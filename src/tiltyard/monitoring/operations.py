"""How the service ran: how much it answered, with which versions, how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tiltyard.monitoring.prediction_window import PredictionWindow

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Operations:
    """Figures of a window's answers. What failed is not in the ledger: only what was answered is.

    Attributes:
        predictions: number of answers, also of those that were not read one by one.
        before: answers of the stretch of the same length before.
        by_version: number of answers by version, most frequent first.
        by_route: number of answers by route.
        by_label: number of answers by predicted label.
        latency_ms: quantiles of the time from acceptance to the ledger, by name; empty without answers.
        latency_by_version: the same by version.
        mean_confidence: None without answers.
    """

    predictions: int
    before: int
    by_version: Mapping[str, int]
    by_route: Mapping[str, int]
    by_label: Mapping[str, int]
    latency_ms: Mapping[str, float]
    latency_by_version: Mapping[str, Mapping[str, float]]
    mean_confidence: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "predictions": self.predictions,
            "predictions_before": self.before,
            "by_version": dict(self.by_version),
            "by_route": dict(self.by_route),
            "by_label": dict(self.by_label),
            "latency_ms": dict(self.latency_ms),
            "latency_by_version": {version: dict(found) for version, found in self.latency_by_version.items()},
            "mean_confidence": self.mean_confidence,
        }


def summarise_operations(window: PredictionWindow, before: int = 0) -> Operations:
    """The figures of a window; ``before`` is the number of answers of the stretch before it."""
    versions = dict(Counter(window.versions.tolist()).most_common())
    return Operations(
        predictions=len(window) + window.left_out,
        before=before,
        by_version=versions,
        by_route=dict(Counter(window.routes.tolist()).most_common()),
        by_label=dict(Counter(window.predicted.tolist()).most_common()),
        latency_ms=_quantiles(window),
        latency_by_version={version: _quantiles(window.take(window.versions == version)) for version in versions},
        mean_confidence=float(window.confidence.mean()) if len(window) else None,
    )


def _quantiles(window: PredictionWindow) -> dict[str, float]:
    if not len(window):
        return {}
    return {name: float(np.quantile(window.latency_ms, share)) for name, share in QUANTILES.items()}
