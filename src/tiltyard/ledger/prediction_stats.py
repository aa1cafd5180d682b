"""Summaries of predictions from partial sums, however these were computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from tiltyard.ledger.records import PredictionStats
from tiltyard.ledger.storable import from_micros


class StatsTally(NamedTuple):
    """Counts, sums and extremes over some predictions, at least one, of one label and one version.

    ``latency_ms`` is the sum over those whose latency was ``measured``; None where none was.
    """

    label: str
    version: str
    total: int
    confidence: float
    least: float
    most: float
    latency_ms: float | None
    measured: int
    first_us: int
    last_us: int


def combine_tallies(tallies: Iterable[StatsTally]) -> PredictionStats:
    """The summary of all predictions that the tallies cover."""
    # In one order, for sums of floats depend on it.
    parts = sorted(tallies, key=lambda part: part._replace(latency_ms=part.latency_ms or 0.0))
    if not parts:
        return PredictionStats(total=0, by_label={}, by_version={})
    by_label: Counter[str] = Counter()
    by_version: Counter[str] = Counter()
    for part in parts:
        by_label[part.label] += part.total
        by_version[part.version] += part.total
    total, measured = by_label.total(), sum(part.measured for part in parts)
    return PredictionStats(
        total=total,
        by_label=dict(by_label.most_common()),
        by_version=dict(by_version.most_common()),
        mean_confidence=sum(part.confidence for part in parts) / total,
        min_confidence=min(part.least for part in parts),
        max_confidence=max(part.most for part in parts),
        mean_latency_ms=sum(part.latency_ms or 0.0 for part in parts) / measured if measured else None,
        measured_latencies=measured,
        first_at=from_micros(min(part.first_us for part in parts)),
        last_at=from_micros(max(part.last_us for part in parts)),
    )
