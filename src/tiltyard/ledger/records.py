"""What the ledger remembers, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answered prediction.

    Attributes:
        id: UUIDv7 as text; sorts by time.
        at: when it was answered, UTC.
        project: name of the registered model.
        version: registry version that answered.
        route: who answered: ``champion``, ``challenger`` or ``shadow``.
        input: what was asked: ``{"text": …}`` or the features by name.
        label: the predicted label.
        confidence: probability of the predicted label, 0 to 1.
        probabilities: probability of each label; sums to 1.
        latency_ms: milliseconds from acceptance to the row being written.
        key: the caller's own key, if one was given.
    """

    id: str
    at: datetime
    project: str
    version: str
    route: str
    input: Mapping[str, Any]
    label: str
    confidence: float
    probabilities: Mapping[str, float]
    latency_ms: float
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """The truth about a prediction, as somebody reported it."""

    prediction_id: str
    label: str
    at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Event:
    """One decision: what was done, to what, by whom, why, on what evidence.

    Attributes:
        sequence: position in the chain, from 1; 0 before it is appended.
        kind: ``registered``, ``promoted``, ``refused``, ``alias-set``, ``served`` …
        subject: what it is about, ``model`` or ``model/version``.
        digest: hash over this event and its predecessor's digest; empty before it is appended.
    """

    kind: str
    subject: str
    at: datetime
    actor: str
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    sequence: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class LabelReceipt:
    """What became of reported labels.

    Attributes:
        accepted: how many are in the ledger now; a repeated one counts.
        unknown: prediction ids that the ledger does not hold, each once, in the order they came; their
            labels were not stored.
    """

    accepted: int
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictionStats:
    """A summary of recorded predictions. Means and extremes are None where there are no predictions.

    Attributes:
        total: number of predictions.
        by_label: number of predictions of each label, most frequent first.
        by_version: number of predictions of each version, most frequent first.
        first_at: when the earliest was answered, UTC.
        last_at: when the latest was answered, UTC.
    """

    total: int
    by_label: Mapping[str, int]
    by_version: Mapping[str, int]
    mean_confidence: float | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None
    mean_latency_ms: float | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
