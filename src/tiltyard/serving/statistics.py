"""Totals of the predictions, counted as they happen, so that a health check costs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Any

from tiltyard.ledger.codec import PredictionRow
from tiltyard.ledger.records import PredictionStats


class Statistics:
    """Running totals over the predictions of one model: those of this process, and those before it.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._labels: Counter[str] = Counter()
        self._versions: Counter[str] = Counter()
        self._total = 0
        self._confidence_sum = 0.0
        self._lowest: float | None = None
        self._highest: float | None = None
        self._latency_sum = 0.0
        self._measured = 0
        self._complete = False

    def add(self, rows: Sequence[PredictionRow]) -> None:
        """Count predictions that were recorded just now; at least one."""
        labels = Counter([row.label for row in rows])
        versions = Counter([row.version for row in rows])
        confidences = [row.confidence for row in rows]
        latency = sum([row.latency_ms for row in rows])
        with self._lock:
            self._labels.update(labels)
            self._versions.update(versions)
            self._latency_sum += latency
            self._measured += len(rows)
            self._add_confidences(sum(confidences), min(confidences), max(confidences), len(rows))

    def add_history(self, history: PredictionStats) -> None:
        """Count what the ledger held before this process began."""
        with self._lock:
            self._complete = True
            if not history.total:
                return
            self._labels.update(history.by_label)
            self._versions.update(history.by_version)
            self._latency_sum += (history.mean_latency_ms or 0.0) * history.measured_latencies
            self._measured += history.measured_latencies
            self._add_confidences(
                (history.mean_confidence or 0.0) * history.total,
                history.min_confidence if history.min_confidence is not None else 1.0,
                history.max_confidence if history.max_confidence is not None else 0.0,
                history.total,
            )

    def to_dict(self) -> dict[str, Any]:
        """The totals as JSON-ready data; ``complete`` says whether the ledger's history is in them."""
        with self._lock:
            count = self._total
            return {
                "total_predictions": count,
                "by_label": dict(self._labels.most_common()),
                "by_version": dict(self._versions.most_common()),
                "mean_confidence": self._confidence_sum / count if count else None,
                "min_confidence": self._lowest,
                "max_confidence": self._highest,
                "mean_latency_ms": self._latency_sum / self._measured if self._measured else None,
                "complete": self._complete,
            }

    def _add_confidences(self, total: float, lowest: float, highest: float, count: int) -> None:
        self._total += count
        self._confidence_sum += total
        self._lowest = lowest if self._lowest is None else min(self._lowest, lowest)
        self._highest = highest if self._highest is None else max(self._highest, highest)
