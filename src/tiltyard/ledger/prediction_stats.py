"""Summaries of predictions from partial sums, however these were computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from tiltyard.ledger.records import PredictionStats
from tiltyard.ledger.storable import from_micros


class StatsTally(NamedTuple):
    """Counts, sums and extremes over some predictions, at least one, of one label and one version.

    Predicted numbers have no label and no confidence: those of one version are one tally.

    ``latency_ms`` is the sum over those whose latency was ``measured``; None where none was.
    """

    label: str
    version: str
    total: int
    confidence: float | None
    least: float | None
    most: float | None
    latency_ms: float | None
    measured: int
    first_us: int
    last_us: int


def combine_tallies(tallies: Iterable[StatsTally]) -> PredictionStats:
    """The summary of all predictions that the tallies cover."""
    # In one order, for sums of floats depend on it.
    parts = sorted(tallies, key=_order)
    if not parts:
        return PredictionStats(total=0, by_label={}, by_version={})
    by_label: Counter[str] = Counter()
    by_version: Counter[str] = Counter()
    for part in parts:
        if part.confidence is not None:
            by_label[part.label] += part.total
        by_version[part.version] += part.total
    total, measured = by_version.total(), sum(part.measured for part in parts)
    return PredictionStats(
        total=total,
        by_label=dict(by_label.most_common()),
        by_version=dict(by_version.most_common()),
        mean_confidence=sum(part.confidence or 0.0 for part in parts) / by_label.total() if by_label else None,
        min_confidence=min((part.least for part in parts if part.least is not None), default=None),
        max_confidence=max((part.most for part in parts if part.most is not None), default=None),
        mean_latency_ms=sum(part.latency_ms or 0.0 for part in parts) / measured if measured else None,
        measured_latencies=measured,
        first_at=from_micros(min(part.first_us for part in parts)),
        last_at=from_micros(max(part.last_us for part in parts)),
    )


def _order(part: StatsTally) -> StatsTally:
    """A key that can be compared, for None cannot."""
    return part._replace(
        confidence=part.confidence or 0.0,
        least=part.least or 0.0,
        most=part.most or 0.0,
        latency_ms=part.latency_ms or 0.0,
    )
