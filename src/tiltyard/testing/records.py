"""Records like any other, for tests that care about one field of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tiltyard.ledger import Event, FindingRecord, Prediction, new_id
from tiltyard.ledger.records import KNOWN_UNIT, SHADOW

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_prediction(**changes: Any) -> Prediction:
    """A prediction like any other, but for the changes."""
    fields: dict[str, Any] = {
        "id": new_id(),
        "at": NOON,
        "project": "films",
        "version": "1",
        "route": "champion",
        "input": {"text": "Not bad at all."},
        "label": "positive",
        "confidence": 0.75,
        "probabilities": {"negative": 0.25, "positive": 0.75},
        "latency_ms": 1.5,
    }
    if changes.get("route") == SHADOW:
        fields["unit"] = KNOWN_UNIT
    return Prediction(**(fields | changes))


def make_event(**changes: Any) -> Event:
    """An event like any other, but for the changes."""
    fields: dict[str, Any] = {
        "kind": "promoted",
        "subject": "films/2",
        "at": NOON,
        "actor": "ada",
        "reason": "better",
        "evidence": {"difference": 0.1, "rows": 3},
    }
    return Event(**(fields | changes))


def make_finding(**changes: Any) -> FindingRecord:
    """A finding like any other, but for the changes."""
    fields: dict[str, Any] = {
        "id": new_id(),
        "at": NOON,
        "project": "films",
        "version": "1",
        "code": "drift.number",
        "severity": "warning",
        "subject": "length",
        "score": 0.25,
        "limit": 0.1,
        "message": "The length moved.",
        "evidence": {"rows": 3},
    }
    return FindingRecord(**(fields | changes))
