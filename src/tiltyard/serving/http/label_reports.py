"""Labels as they are reported over HTTP and on streams: how a body is read, checked, and recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import pydantic_core
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
    model_validator,
)

from tiltyard.data.conform.dates import parse_instant
from tiltyard.data.conform.labels import LabelCodec
from tiltyard.errors import NotFoundError
from tiltyard.ledger.label_intake import CheckedLabel, ReportedLabel, check_labels, normalise_key
from tiltyard.serving.field_errors import describe_value
from tiltyard.serving.http.schemas import ResponseModel
from tiltyard.serving.predict.bodies.json_body import parse_json
from tiltyard.serving.predict.bodies.json_values import ValueLimit, refuse_surplus_values
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.problem_details import FieldProblem, RequestError, invalid_fields

MOST_LABELS = 10_000
LARGEST_BODY = 8 * 1024 * 1024
"""Largest body of labels, in bytes."""

_VALUES = ValueLimit(MOST_LABELS, columns=5)
LONGEST_LABEL = 4096
_LARGEST_NUMBER = 2**63
_LONGEST_NAME = 256
_TIME = "a time in ISO 8601 with its zone, such as 2026-01-31T10:30:00Z"


def _check_name(name: object) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str):
        raise ValueError(f"has to be a text, and is {describe_value(name)}")
    if not name.strip() or len(name) > _LONGEST_NAME or "\0" in name:
        raise ValueError(f"has to be of 1 to {_LONGEST_NAME} characters, not all of them blank and none NUL")
    return name


def _check_key(key: object) -> str | None:
    """A caller's key as an import reads it: a number is its digits, without a fraction where it is whole."""
    if isinstance(key, bool) or not isinstance(key, str | int | float | None):
        raise ValueError(f"has to be a text or a number, and is {describe_value(key)}")
    if isinstance(key, int) and abs(key) > _LARGEST_NUMBER:
        raise ValueError("is too large a number; send such a key as a text")
    if key is None or key != key:  # noqa: PLR0124 - NaN is a gap on every route
        return None
    return _check_name(key if isinstance(key, str) else normalise_key(key))


def _check_time(time: object) -> datetime | None:
    if time is None:
        return None
    moment = parse_instant(time) if isinstance(time, str) else None
    if moment is None:
        raise ValueError(f"has to be {_TIME}, and is {describe_value(time)}")
    if moment.tzinfo is None:
        raise ValueError(f"names no time zone: it has to be {_TIME}, and is {describe_value(time)}")
    return moment


def _check_raw_label(label: object) -> object:
    if isinstance(label, int) and abs(label) > _LARGEST_NUMBER:
        raise ValueError("is too large a number to be a class")
    if isinstance(label, bool | int | float):
        return label
    if not isinstance(label, str):
        raise ValueError(f"has to be a text, a number or a boolean, and is {describe_value(label)}")
    if not 0 < len(label) <= LONGEST_LABEL or "\0" in label:
        raise ValueError(f"has to be of 1 to {LONGEST_LABEL:,} characters, none of them NUL")
    return label


def _text_schema(longest: int) -> dict[str, JsonValue]:
    return {"type": "string", "minLength": 1, "maxLength": longest, "pattern": r"^[^\x00]+$"}


_NULL: JsonValue = {"type": "null"}
_NUMBER: JsonValue = {"type": "number"}
RawLabel = Annotated[
    Any,
    AfterValidator(_check_raw_label),
    WithJsonSchema({"anyOf": [_text_schema(LONGEST_LABEL), {"type": "boolean"}, _NUMBER]}),
]
Name = Annotated[
    Any, AfterValidator(_check_name), WithJsonSchema({"anyOf": [_text_schema(_LONGEST_NAME), _NULL], "default": None})
]
Key = Annotated[
    Any,
    AfterValidator(_check_key),
    WithJsonSchema({"anyOf": [_text_schema(_LONGEST_NAME), _NUMBER, _NULL], "default": None}),
]
Time = Annotated[
    Any,
    AfterValidator(_check_time),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, _NULL], "default": None}),
]

_EITHER: list[JsonValue] = [
    {"required": ["prediction_id"], "properties": {"prediction_id": {"type": "string"}, "key": {"type": "null"}}},
    {"required": ["key"], "properties": {"key": {"type": ["string", "number"]}, "prediction_id": {"type": "null"}}},
]


class OneLabel(BaseModel):
    """The truth about one prediction, which is named by its id or by the key that its caller gave it."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"oneOf": _EITHER})

    label: RawLabel = Field(
        description="The true label: the class as text, or as the number or boolean that it stands for."
    )
    prediction_id: Name = Field(default=None, description="The id that came with the prediction.")
    key: Key = Field(
        default=None, description="Or the caller's own, as sent in X-Prediction-Key; a number is read as its digits."
    )
    at: Time = Field(
        default=None, description="When it became known, with its time zone, not ahead of now; default: now."
    )
    source: Name = Field(default=None, description="Where it comes from; default: the caller.")

    @model_validator(mode="after")
    def _check_named_once(self) -> Self:
        if (self.prediction_id is None) == (self.key is None):
            raise ValueError("give either 'prediction_id' or 'key', one of them")
        return self


class Labels(BaseModel):
    """The truth about many predictions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: list[OneLabel] = Field(min_length=1, max_length=MOST_LABELS)


class LabelResult(ResponseModel):
    """What became of one label."""

    status: Literal["accepted", "unknown", "ambiguous"] = Field(
        description="unknown: the ledger holds no such prediction. ambiguous: the key was used for several "
        "predictions, and 'at' does not say which one is meant."
    )
    prediction_id: str | None = Field(description="The prediction that it is about, where that is known.")
    key: str | None = Field(description="The caller's own key, where it was named by one.")
    note: str = Field(
        default="",
        description="Why it was not stored; or that its class was set aside in training, so that the model cannot "
        "predict it. Else empty.",
    )


class Feedback(ResponseModel):
    """What became of the labels, one by one in the order they came."""

    accepted: int = Field(description="Labels that are in the ledger now; a repeated one counts.")
    unknown: int = Field(description="Labels of predictions that the ledger does not hold; they were not stored.")
    ambiguous: int = Field(default=0, description="Labels whose key was used for several predictions; not stored.")
    results: list[LabelResult]


def parse_labels(content: bytes | bytearray) -> OneLabel | Labels:
    """The labels in a body: of one prediction, or of many.

    Raises:
        RequestError: it is neither.
    """
    refuse_surplus_values(content, _VALUES)
    return parse_json(content, Labels, _VALUES) if _is_many(content) else parse_json(content, OneLabel, _VALUES)


def _is_many(content: bytes | bytearray) -> bool:
    """Whether a body has ``labels``: decides which model it is checked against, so that errors fit what was meant."""
    try:
        decoded = pydantic_core.from_json(content)  # as the body is read: NaN and 1e999 are numbers
    except (ValueError, RecursionError):
        return False
    return isinstance(decoded, dict) and "labels" in decoded


def record_reports(components: ServerComponents, given: Sequence[OneLabel], caller: str) -> Feedback:
    """Check labels as an import would, and store the good ones.

    Args:
        components: the parts of the server.
        given: the labels.
        caller: where those come from that do not say so.

    Raises:
        RequestError: one of them has to be corrected; nothing was stored.
    """
    checked = check_reports(components, given, caller)
    refuse_fields(checked)
    unknown = frozenset(components.ledger.record_labels([one.label for one in checked if one.label]).unknown)
    results = [_make_result(item, one, unknown) for item, one in zip(given, checked, strict=True)]
    counts = Counter(result.status for result in results)
    return Feedback(
        accepted=counts["accepted"], unknown=counts["unknown"], ambiguous=counts["ambiguous"], results=results
    )


def check_reports(components: ServerComponents, given: Sequence[OneLabel], caller: str) -> list[CheckedLabel]:
    """What is to become of each label; nothing is stored."""
    reported = [
        ReportedLabel(item.label, item.source or caller, item.prediction_id or "", item.key or "", item.at)
        for item in given
    ]
    return check_labels(
        components.ledger,
        components.models.served.model_name,
        reported,
        codec=_find_codec(components),
        target=components.models.target,
        now=datetime.now(UTC),
    )


def refuse_fields(checked: Sequence[CheckedLabel]) -> None:
    """Refuse what the caller has to correct: labels that are not classes, and times in the future.

    Raises:
        RequestError: there is such a label.
    """
    fields = {"ahead": "at", "unexpected": "label", "unlabelled": "label"}
    later = "Leave 'at' out where the label became known just now, or correct it."
    problems = []
    for place, one in enumerate(checked):
        if one.status in fields:
            path = fields[one.status] if len(checked) == 1 else f"labels[{place}].{fields[one.status]}"
            step = later if one.status == "ahead" else "Send a label that the model could have predicted."
            problems.append(FieldProblem(path, f"is refused: {one.reason.rstrip('.')}", step))
    if problems:
        raise invalid_fields(problems)


def _make_result(item: OneLabel, checked: CheckedLabel, unknown: frozenset[str]) -> LabelResult:
    label = checked.label
    if label is not None and label.prediction_id not in unknown:
        return LabelResult(status="accepted", prediction_id=label.prediction_id, key=item.key, note=checked.reason)
    note = checked.reason or f"The ledger holds no prediction with the id '{item.prediction_id}'."
    status: Literal["unknown", "ambiguous"] = "ambiguous" if checked.status == "ambiguous" else "unknown"
    return LabelResult(status=status, prediction_id=item.prediction_id, key=item.key, note=note)


def _find_codec(components: ServerComponents) -> LabelCodec | None:
    current = components.models.current
    return LabelCodec(current.manifest.classes) if current and current.manifest.classes else None


def refuse_single(result: LabelResult) -> RequestError | NotFoundError:
    """The error of a single label that was not stored."""
    if result.status == "ambiguous":
        return RequestError(
            result.note,
            status=409,
            code="feedback.ambiguous",
            next_step="Send the prediction_id, or 'at': the label means the last prediction made until then.",
        )
    return NotFoundError(
        result.note,
        next_step="Send the prediction_id that came with the prediction, or the key that was sent in X-Prediction-Key.",
        code="feedback.unknown",
    )
