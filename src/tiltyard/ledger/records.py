"""The records of the ledger, as plain values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import uuid_utils

from tiltyard.findings import Finding, Severity, Status
from tiltyard.jsonable import to_json_object
from tiltyard.tasks import USUAL_TARGET, TaskTarget

SHADOW, KNOWN_UNIT = "shadow", "known"
"""The route of predictions that a challenger makes unseen, and their unit if that of the champion's row is recorded."""

TEXT_GROUP = "@group"
"""Key of a text's input under which the group that its caller sent is recorded; no model reads it."""


def input_text(content: Mapping[str, Any]) -> str | None:
    """The text of a text input, ``{"text": …}`` with or without its group; None for the features of a table."""
    text = content.get("text")
    return text if isinstance(text, str) and content.keys() <= {"text", TEXT_GROUP} else None


def full_text(given: Mapping[str, Any]) -> str:
    """An input as one line: the text, or each feature with its value."""
    if (text := input_text(given)) is not None:
        return " ".join(text.split())
    return ", ".join(f"{name} {'–' if value is None else value}" for name, value in given.items())


def new_id() -> str:
    """A UUIDv7 (RFC 9562) as text: unique everywhere, rising within this process, sorted by time across hosts."""
    return str(uuid_utils.uuid7())


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction.

    Attributes:
        id: UUIDv7 as text; sorts by time.
        at: when it was made, UTC.
        project: name of the registered model.
        version: registry version that made it.
        route: which alias made it: ``champion``, ``challenger`` or ``shadow``.
        input: ``{"text": …}``, with the group under ``@group`` where it was sent; or the features by name.
        label: the predicted label; a predicted number as text that is read as the very same.
        confidence: probability of the predicted label, 0 to 1; None of a number, which has no ``probabilities``.
        probabilities: probability of each label; sums to 1.
        latency_ms: milliseconds from acceptance to the row being written; None where nobody measured them.
        key: the caller's own key, if there is one.
        unit: what the row shares with others that depend on it, see ``make_unit``; None: with none.
        assignment: which split test it takes part in, see ``Assignment``; None: in none.
        interval: the two ends of a number's interval, of which one may be open; None for no interval.
    """

    id: str
    at: datetime
    project: str
    version: str
    route: str
    input: Mapping[str, Any]
    label: str
    confidence: float | None
    probabilities: Mapping[str, float]
    latency_ms: float | None
    key: str | None = None
    unit: str | None = None
    assignment: str | None = None
    interval: tuple[float | None, float | None] | None = None


def matches_search(prediction: Prediction, search: str) -> bool:
    """Whether a prediction has every word of a search in its input, label, version or id; case does not count."""
    words = search.casefold().split()
    if not words:
        return True
    text = f"{full_text(prediction.input)} {prediction.label} {prediction.version} {prediction.id}".casefold()
    return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class NamedPrediction:
    """What a label has to know of its prediction: all but the input. The fields are those of ``Prediction``."""

    id: str
    at: datetime
    project: str
    key: str | None
    label: str
    probabilities: Mapping[str, float]
    target: TaskTarget = USUAL_TARGET


ORGANIC = "organic"
"""The reason of a label that was not requested: it came as labels of this kind come."""

RANDOM = "random"
"""The reason of a request for the label of a prediction that was drawn at random."""


@dataclass(frozen=True, slots=True)
class Label:
    """The truth about a prediction, as it was reported.

    Attributes:
        prediction_id: id of the prediction.
        label: the class.
        at: when it was determined, UTC.
        source: where it comes from.
        reason: ``organic``, or that of the ledger's request for it, ``random`` before all others. It is found when the
            label is read: what a caller says of it is not stored.
    """

    prediction_id: str
    label: str
    at: datetime
    source: str
    reason: str = ORGANIC

    @property
    def is_sample(self) -> bool:
        """Whether a rate may be measured on it: chance chose the prediction, or nobody did."""
        return self.reason in (ORGANIC, RANDOM)


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A prediction whose label was requested: an entry of a labelling queue.

    Attributes:
        at: when the queue was made, UTC.
        reason: ``random``, or what makes the prediction worth a label (``uncertain``, ``drifted``).
        probability: with which it was drawn, above 0 to 1, where the reason is ``random``; else None.
    """

    queue_id: str
    prediction_id: str
    at: datetime
    reason: str
    probability: float | None = None


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
        first_at: when the earliest was made, UTC.
        mean_latency_ms: of those whose latency was measured; None where none was.
        measured_latencies: number of predictions whose latency was measured.
        last_at: when the latest was made, UTC.
    """

    total: int
    by_label: Mapping[str, int]
    by_version: Mapping[str, int]
    mean_confidence: float | None = None
    min_confidence: float | None = None
    max_confidence: float | None = None
    mean_latency_ms: float | None = None
    measured_latencies: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """A finding of one monitoring run, as the ledger keeps it.

    Attributes:
        id: UUIDv7 as text.
        at: when the run took place, UTC.
        project: name of the registered model.
        version: registry version that it is about; None where it is about none.
        code: stable dotted name (``drift.verdict``).
        severity: ``info``, ``warning`` or ``error``.
        subject: what it is about: a feature, a metric, or the whole.
        status: ``found``, ``clear`` (checked, and nothing is wrong) or ``could_not_judge``.
        score: the measured value, where there is one; NaN and infinities are not stored.
        limit: what the score was compared with.
        since: begin of the period that was evaluated.
        until: its end.
        message: a sentence or two with the figures.
        evidence: JSON values that let a reader check it.
        next_step: what to do about it.
    """

    id: str
    at: datetime
    project: str
    version: str | None
    code: str
    severity: Severity
    subject: str
    status: Status = "found"
    score: float | None = None
    limit: float | None = None
    since: datetime | None = None
    until: datetime | None = None
    message: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    next_step: str = ""


def finding_record(finding: Finding, *, model_name: str, at: datetime, version: str | None = None) -> FindingRecord:
    """The record of a finding, made at a time, about a version of a project."""
    return FindingRecord(
        id=new_id(),
        at=at,
        project=model_name,
        version=version,
        code=finding.code,
        severity=finding.severity,
        subject=finding.subject,
        status=finding.status,
        score=None if finding.score is None else float(finding.score),
        limit=None if finding.limit is None else float(finding.limit),
        since=finding.since,
        until=finding.until,
        message=finding.message,
        evidence=to_json_object(finding.evidence),
        next_step=finding.next_step,
    )


@dataclass(frozen=True, slots=True)
class HourCount:
    """How many predictions an hour holds.

    Attributes:
        hour: its begin, UTC.
        rows: number of predictions.
        newest: greatest id among them; with ``rows`` it tells whether the hour changed since.
    """

    hour: datetime
    rows: int
    newest: str


@dataclass(frozen=True, slots=True)
class HourProfile:
    """The profile of one hour's predictions, as the ledger keeps it.

    Attributes:
        project: name of the registered model.
        version: registry version that made it.
        route: which alias made it.
        hour: the hour's begin, UTC.
        layout: digest of what the profile was laid out by; of another layout it is of no use.
        rows: predictions in it.
        newest: greatest id among them.
        body: the profile, in its own encoding.
    """

    project: str
    version: str
    route: str
    hour: datetime
    layout: str
    rows: int
    newest: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ShadowOutcomes:
    """Labelled inputs that two versions predicted, by which was right; of ``unknown`` no request was recorded."""

    both_right: int = 0
    only_champion_right: int = 0
    only_challenger_right: int = 0
    both_wrong: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class ShadowOutcome:
    """One labelled input that two versions predicted, of a unit: which of them was right.

    Attributes:
        unit: see ``Prediction.unit``.
        champion_right: whether the champion was right; of numbers how right, 0.0 to 1.0, see ``LiveOutcomes``.
        challenger_right: the same of the challenger.
        rows: how many rows the unit has, labelled or not.
    """

    unit: str
    champion_right: float
    challenger_right: float
    rows: int


@dataclass(frozen=True, slots=True)
class SplitOutcome:
    """One labelled prediction of a split test.

    Attributes:
        unit: see ``Prediction.unit``: what was assigned to a side as a whole.
        of_challenger: whether the unit was assigned to the challenger; so it stays where the champion had to predict.
        share: the challenger's share of the units when the row was predicted.
        right: whether the prediction was right; of a number how right, 0.0 to 1.0, see ``LiveOutcomes``.
        rows: how many rows the unit has, labelled or not.
    """

    unit: str
    of_challenger: bool
    share: float
    right: float
    rows: int


CALLER, REQUEST = "c", "r"
"""The kinds of units: a caller's requests stay together, or each request is one."""


def make_unit(kind: str, model_name: str, key: str) -> str:
    """The unit of a request: its kind, and 16 hexadecimal digits of a digest of model and key.

    The digest decides the side of a split test, see ``is_in_share``; the key itself is not kept.

    Args:
        kind: ``CALLER`` for a key that comes with many requests, else ``REQUEST``.
        model_name: the registered model, so that the same callers do not meet the challengers of all models.
        key: the caller's key, or the request's own.
    """
    return kind + hashlib.sha256(f"{model_name}\0{key}".encode()).hexdigest()[:16]


def is_in_share(unit: str, share: float) -> bool:
    """Whether a unit belongs to the challenger's share: its digest, as a number from 0 to 1, is below it."""
    return int(unit[-16:], 16) < share * 2**64


@dataclass(frozen=True, slots=True)
class Assignment:
    """The split test in which a row took part.

    Attributes:
        challenger: the challenger's version that was in service.
        share: its share of the units.
    """

    challenger: str
    share: float

    def encode(self) -> str:
        """As it is stored: ``7@0.1`` for version 7 and a tenth of the units."""
        return f"{self.challenger}@{self.share!r}"

    @classmethod
    def decode(cls, stored: str) -> Assignment:
        """The assignment that was stored."""
        challenger, _, share = stored.rpartition("@")
        return cls(challenger, float(share))
