"""How records become rows of a table, and rows records again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tiltyard.errors import InputError, UnavailableError
from tiltyard.ledger.records import ORGANIC, RANDOM, Event, Label, LabelRequest, NamedPrediction, Prediction
from tiltyard.ledger.storable import (
    TextChecker,
    decode_json,
    encode_field,
    from_micros,
    require_finite,
    require_instant,
    require_text,
)


class PredictionRow(NamedTuple):
    """A prediction as it is stored, in the order of the columns of ``schema.predictions``."""

    id: str
    at_us: int
    project: str
    version: str
    route: str
    label: str
    confidence: float
    latency_ms: float
    key: str | None
    probabilities: str
    input: str
    unit: str | None = None
    assignment: str | None = None


NAMED_COLUMNS = ("id", "at_us", "project", "key", "label", "probabilities")
"""The columns of a ``NamedPrediction``, in its order."""

LabelRow = tuple[str, int, str, str]
"""A label: prediction id, at, label, source."""

RequestRow = tuple[str, str, int, str, float | None]
"""A request for a label: prediction id, queue id, at, reason, probability."""

NOT_MEASURED = -1.0
"""The stored latency of a prediction whose latency nobody measured: its column is never empty."""

NUMBER_CONFIDENCE = -1.0
"""The stored confidence of a predicted number, whose column of probabilities holds the two ends of its interval."""


def encode_predictions(predictions: Sequence[Prediction]) -> list[PredictionRow]:
    """Rows of the predictions, in their order.

    Raises:
        InputError: one cannot be stored; the message says which, which field, and why.
    """
    names = TextChecker()
    rows: list[PredictionRow] = []
    for position, prediction in enumerate(predictions):
        try:
            rows.append(_prediction_row(prediction, names))
        except ValueError as error:
            raise InputError(
                f"Prediction {position} of {len(predictions)} ({prediction.id!r}) cannot be recorded: {error}.",
                next_step="Correct or leave out this prediction; nothing of this call was stored.",
                position=position,
            ) from None
    return rows


def decode_prediction(row: Sequence[Any]) -> Prediction:
    """The prediction of a row in the order of ``PredictionRow``."""
    id_, at, project, version, route, label, confidence, latency_ms, key, stored, input_, unit, assignment = row
    probabilities = decode_json(stored)
    is_number = confidence == NUMBER_CONFIDENCE
    return Prediction(
        id=id_,
        at=from_micros(at),
        project=project,
        version=version,
        route=route,
        input=decode_json(input_),
        label=label,
        confidence=None if is_number else confidence,
        probabilities={} if is_number else probabilities,
        latency_ms=None if latency_ms == NOT_MEASURED else latency_ms,
        key=key,
        unit=unit,
        assignment=assignment,
        interval=(probabilities[0], probabilities[1]) if is_number and probabilities else None,
    )


def decode_named(row: Sequence[Any]) -> NamedPrediction:
    """What a label has to know of a prediction, from a row of ``NAMED_COLUMNS``."""
    id_, at, project, key, label, probabilities = row
    decoded = decode_json(probabilities)
    is_number = isinstance(decoded, list)
    return NamedPrediction(
        id_, from_micros(at), project, key, label, {} if is_number else decoded, "number" if is_number else "class"
    )


def encode_labels(labels: Sequence[Label]) -> list[LabelRow]:
    """Rows of the labels, in their order.

    Raises:
        InputError: one cannot be stored; the message says which, which field, and why.
    """
    names = TextChecker()
    rows: list[LabelRow] = []
    for position, label in enumerate(labels):
        try:
            rows.append(
                (
                    names.check("prediction_id", label.prediction_id),
                    require_instant(label.at),
                    names.check("label", label.label),
                    names.check("source", label.source),
                )
            )
        except ValueError as error:
            raise InputError(
                f"Label {position} of {len(labels)} (for {label.prediction_id!r}) cannot be recorded: {error}.",
                next_step="Correct or leave out this label; nothing of this call was stored.",
                position=position,
            ) from None
    return rows


def decode_label(row: Sequence[Any], reason: str | None = None) -> Label:
    """The label of a row in the order of ``LabelRow``; ``reason`` is that of the request for it, None for none."""
    prediction_id, at, label, source = row
    return Label(prediction_id, label, from_micros(at), source, reason or ORGANIC)


def encode_requests(requests: Sequence[LabelRequest]) -> list[RequestRow]:
    """Rows of requests for labels, in their order.

    Raises:
        InputError: one cannot be stored; the message says which, which field, and why.
    """
    names = TextChecker()
    rows: list[RequestRow] = []
    for position, request in enumerate(requests):
        try:
            rows.append(_request_row(request, names))
        except ValueError as error:
            raise InputError(
                f"Request {position} of {len(requests)} (for the label of {request.prediction_id!r}) cannot be "
                f"recorded: {error}.",
                next_step="Correct or leave out this request; nothing of this call was stored.",
                position=position,
            ) from None
    return rows


def decode_request(row: Sequence[Any]) -> LabelRequest:
    """The request of a row in the order of ``RequestRow``."""
    prediction_id, queue_id, at, reason, probability = row
    return LabelRequest(queue_id, prediction_id, from_micros(at), reason, probability)


def encode_event(event: Event) -> dict[str, Any]:
    """The columns of an event, but for its place in the chain.

    Raises:
        InputError: it cannot be stored; the message says which field and why.
    """
    names = TextChecker()
    try:
        return {
            "kind": names.check("kind", event.kind),
            "subject": names.check("subject", event.subject),
            "at_us": require_instant(event.at),
            "actor": names.check("actor", event.actor),
            "reason": names.check("reason", event.reason),
            "evidence": encode_field("evidence", event.evidence),
        }
    except ValueError as error:
        raise InputError(
            f"The event {event.kind!r} about {event.subject!r} cannot be recorded: {error}.",
            next_step="Correct the field named; the event was not stored.",
        ) from None


def decode_event(row: Mapping[str, Any]) -> Event:
    """The event of a row by column name.

    Raises:
        UnavailableError: it is none that ``encode_event`` wrote: it was changed later.
    """
    try:
        at, evidence = from_micros(row["at_us"]), decode_json(row["evidence"])
    except (ValueError, TypeError, OverflowError) as error:
        raise UnavailableError(
            f"Event {row['sequence']} of the ledger cannot be read, since it was changed: {error}.",
            next_step="See what else was changed: tiltyard history --verify; then compare the ledger with a backup.",
            code="ledger.tampered",
        ) from None
    return Event(
        kind=row["kind"],
        subject=row["subject"],
        at=at,
        actor=row["actor"],
        reason=row["reason"],
        evidence=evidence,
        sequence=row["sequence"],
        digest=row["digest"],
    )


def _prediction_row(prediction: Prediction, names: TextChecker) -> PredictionRow:
    if prediction.confidence is None:
        confidence, probabilities = NUMBER_CONFIDENCE, encode_field("interval", list(prediction.interval or ()))
    else:
        confidence = require_finite("confidence", prediction.confidence)
        probabilities = encode_field("probabilities", prediction.probabilities)
    if "NaN" in probabilities or "Infinity" in probabilities:
        for label, probability in prediction.probabilities.items():
            require_finite(f"the probability of {label!r}", probability)
    return PredictionRow(
        require_text("id", prediction.id),
        require_instant(prediction.at),
        names.check("project", prediction.project),
        names.check("version", prediction.version),
        names.check("route", prediction.route),
        names.check("label", prediction.label),
        confidence,
        _encode_latency(prediction.latency_ms),
        None if prediction.key is None else require_text("key", prediction.key),
        probabilities,
        encode_field("input", prediction.input),
        None if prediction.unit is None else require_text("unit", prediction.unit),
        None if prediction.assignment is None else require_text("assignment", prediction.assignment),
    )


def _request_row(request: LabelRequest, names: TextChecker) -> RequestRow:
    probability = request.probability
    if request.reason == ORGANIC:
        raise ValueError(f"reason = {ORGANIC!r} is that of labels without a request")
    if (request.reason == RANDOM) != (probability is not None):
        raise ValueError(f"a probability of {probability} does not fit reason = {request.reason!r}")
    if probability is not None and not 0 < probability <= 1:
        raise ValueError(f"probability = {probability:g} is not above 0 and at most 1")
    return (
        names.check("prediction_id", request.prediction_id),
        names.check("queue_id", request.queue_id),
        require_instant(request.at),
        names.check("reason", request.reason),
        probability,
    )


def _encode_latency(latency_ms: float | None) -> float:
    if latency_ms is None:
        return NOT_MEASURED
    number = require_finite("latency_ms", latency_ms)
    if number < 0:
        raise ValueError(f"latency_ms = {number:g} is negative")
    return number
