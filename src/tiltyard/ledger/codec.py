"""How records are encoded: instants as integers, JSON as text, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from tiltyard.errors import InputError, UnavailableError
from tiltyard.ledger.records import Event, Label, NamedPrediction, Prediction


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


NAMED_COLUMNS = ("id", "at_us", "project", "key", "label", "probabilities")
"""The columns of a ``NamedPrediction``, in its order."""

LabelRow = tuple[str, int, str, str]
"""A label: prediction id, at, label, source."""

NOT_MEASURED = -1.0
"""The stored latency of a prediction whose latency nobody measured: its column is never empty."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(at: datetime, field: str = "at") -> int:
    """Microseconds since 1970-01-01 UTC, exact.

    Raises:
        InputError: the time carries no time zone, so that it is not an instant.
    """
    try:
        return _instant(at, field)
    except ValueError as error:
        raise InputError(
            f"{error}.", next_step="Give an instant, for example datetime.now(timezone.utc).", field=field
        ) from None


def from_micros(micros: int) -> datetime:
    """The instant, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def check_text(field: str, value: str) -> str:
    """The value, which both databases can hold as text.

    Raises:
        InputError: it is not a text, or holds NUL or half of a surrogate pair.
    """
    try:
        return _check_storable(field, value)
    except ValueError as error:
        raise InputError(f"{error}.", next_step=f"Give {field} as Unicode text.", field=field) from None


def encode_json(value: Any) -> str:
    """A JSON value as text. NaN and infinities are kept, as JavaScript's names of them.

    Raises:
        ValueError: the value holds something that JSON text in UTF-8 cannot say; the message says what.
    """
    try:
        encoded = _encoder.encode(value)
    except UnicodeEncodeError as error:
        raise ValueError(_describe_surrogate(error)) from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"is not a JSON value: {error}") from None
    # msgspec writes NaN and infinities as null; only where there is a null is it worth looking for them.
    if b"null" in encoded:
        plain = msgspec.to_builtins(value, enc_hook=_to_builtin, str_keys=True)
        if _holds_non_finite(plain):
            return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return encoded.decode()


def decode_json(text: str) -> Any:
    """The value of a text that ``encode_json`` wrote."""
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def encode_predictions(predictions: Sequence[Prediction]) -> list[PredictionRow]:
    """Rows of the predictions, in their order.

    Raises:
        InputError: one cannot be stored; the message says which, which field, and why.
    """
    names = _TextChecker()
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
    id_, at, project, version, route, label, confidence, latency_ms, key, probabilities, input_ = row
    return Prediction(
        id=id_,
        at=from_micros(at),
        project=project,
        version=version,
        route=route,
        input=decode_json(input_),
        label=label,
        confidence=confidence,
        probabilities=decode_json(probabilities),
        latency_ms=None if latency_ms == NOT_MEASURED else latency_ms,
        key=key,
    )


def decode_named(row: Sequence[Any]) -> NamedPrediction:
    """What a label has to know of a prediction, from a row of ``NAMED_COLUMNS``."""
    id_, at, project, key, label, probabilities = row
    return NamedPrediction(id_, from_micros(at), project, key, label, decode_json(probabilities))


def encode_labels(labels: Sequence[Label]) -> list[LabelRow]:
    """Rows of the labels, in their order.

    Raises:
        InputError: one cannot be stored; the message says which, which field, and why.
    """
    names = _TextChecker()
    rows: list[LabelRow] = []
    for position, label in enumerate(labels):
        try:
            rows.append(
                (
                    names.check("prediction_id", label.prediction_id),
                    _instant(label.at),
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


def decode_label(row: Sequence[Any]) -> Label:
    """The label of a row in the order of ``LabelRow``."""
    prediction_id, at, label, source = row
    return Label(prediction_id=prediction_id, label=label, at=from_micros(at), source=source)


def encode_event(event: Event) -> dict[str, Any]:
    """The columns of an event, but for its place in the chain.

    Raises:
        InputError: it cannot be stored; the message says which field and why.
    """
    names = _TextChecker()
    try:
        return {
            "kind": names.check("kind", event.kind),
            "subject": names.check("subject", event.subject),
            "at_us": _instant(event.at),
            "actor": names.check("actor", event.actor),
            "reason": names.check("reason", event.reason),
            "evidence": _encode_field("evidence", event.evidence),
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


class _TextChecker:
    """Checks short texts, each different one once: in a batch, most of them repeat."""

    def __init__(self) -> None:
        self._checked: dict[str, str] = {}

    def check(self, field: str, value: str) -> str:
        """The value as plain text that both databases can hold."""
        known = self._checked.get(value) if isinstance(value, str) else None
        if known is None:
            known = self._checked[value] = _check_storable(field, value)
        return known


def _check_storable(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{field} = {value!r} is not a text")
    if "\0" in value:
        raise ValueError(f"{field} holds the NUL character (position {value.index(chr(0))})")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{field} {_describe_surrogate(error)}") from None
    return str(value)


def _prediction_row(prediction: Prediction, names: _TextChecker) -> PredictionRow:
    confidence = _finite("confidence", prediction.confidence)
    probabilities = _encode_field("probabilities", prediction.probabilities)
    if "NaN" in probabilities or "Infinity" in probabilities:
        for label, probability in prediction.probabilities.items():
            _finite(f"the probability of {label!r}", probability)
    return PredictionRow(
        _check_storable("id", prediction.id),
        _instant(prediction.at),
        names.check("project", prediction.project),
        names.check("version", prediction.version),
        names.check("route", prediction.route),
        names.check("label", prediction.label),
        confidence,
        _encode_latency(prediction.latency_ms),
        None if prediction.key is None else _check_storable("key", prediction.key),
        probabilities,
        _encode_field("input", prediction.input),
    )


def _instant(at: datetime, field: str = "at") -> int:
    if at.tzinfo is None:
        raise ValueError(f"{field} = {at.isoformat()} has no time zone")
    return (at - _EPOCH) // _MICROSECOND


def _encode_field(field: str, value: Any) -> str:
    try:
        return encode_json(value)
    except ValueError as error:
        raise ValueError(f"{field} {error}") from None


def _encode_latency(latency_ms: float | None) -> float:
    if latency_ms is None:
        return NOT_MEASURED
    number = _finite("latency_ms", latency_ms)
    if number < 0:
        raise ValueError(f"latency_ms = {number:g} is negative")
    return number


def _finite(field: str, value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{field} is {number}")
    return number


def _describe_surrogate(error: UnicodeEncodeError) -> str:
    code = ord(error.object[error.start])
    return f"holds half of a surrogate pair (U+{code:04X} at position {error.start}), which is not Unicode text"


def _holds_non_finite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_holds_non_finite, value.values()))
    return isinstance(value, list | tuple) and any(map(_holds_non_finite, value))


def _to_builtin(value: Any) -> Any:
    """What a value of another library means in JSON: numpy's scalars and arrays, and mappings."""
    if isinstance(value, Mapping):
        return dict(value)
    for method in ("tolist", "item"):
        convert = getattr(value, method, None)
        if callable(convert):
            return convert()
    raise TypeError(f"{type(value).__name__} {value!r}")


_encoder = msgspec.json.Encoder(enc_hook=_to_builtin)
_decoder = msgspec.json.Decoder()
