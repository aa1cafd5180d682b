"""POST /feedback: the true labels of predictions, as they become known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

import msgspec
from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from tiltyard.errors import NotFoundError
from tiltyard.ledger.records import Label
from tiltyard.serving.auth.caller import CALLER
from tiltyard.serving.http.openapi import body_of, problem_responses
from tiltyard.serving.http.schemas import ResponseModel
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.requests import RequestHead, check_media_type, parse_json, read_body
from tiltyard.serving.problem_details import FieldProblem, invalid_fields

MOST_LABELS = 10_000
_LARGEST_BODY = 8 * 1024 * 1024
# Clocks differ; a label from further ahead would stand against every correction until then.
AHEAD = timedelta(minutes=1)
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]

_EXAMPLE = {"prediction_id": "the id of a prediction", "label": "its true label"}
_EITHER: list[JsonValue] = [
    {"required": ["prediction_id"], "properties": {"prediction_id": {"type": "string"}, "key": {"type": "null"}}},
    {"required": ["key"], "properties": {"key": {"type": "string"}, "prediction_id": {"type": "null"}}},
]


class OneLabel(BaseModel):
    """The truth about one prediction, which is named by its id or by the key that its caller gave it."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"oneOf": _EITHER})

    label: Name = Field(description="The true label.")
    prediction_id: Name | None = Field(default=None, description="The id that came with the prediction.")
    key: Name | None = Field(default=None, description="Or the caller's own, as sent in X-Prediction-Key.")
    at: Annotated[AwareDatetime, Field(strict=True)] | None = Field(
        default=None, description="When it became known, not ahead of now; default: now."
    )
    source: Name | None = Field(default=None, description="Where it comes from; default: the caller.")

    @model_validator(mode="after")
    def _check_named_once(self) -> Self:
        if (self.prediction_id is None) == (self.key is None):
            raise ValueError("give either 'prediction_id' or 'key'")
        return self


class Labels(BaseModel):
    """The truth about many predictions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: tuple[OneLabel, ...] = Field(min_length=1, max_length=MOST_LABELS)


class LabelResult(ResponseModel):
    """What became of one label."""

    status: Literal["accepted", "unknown"] = Field(description="unknown: the ledger holds no such prediction.")
    prediction_id: str | None = Field(description="The prediction that it is about, where that is known.")
    key: str | None = Field(description="The caller's own key, where it was named by one.")
    note: str = Field(default="", description="A remark on it; empty if there is none.")


class Feedback(ResponseModel):
    """What became of the labels, one by one in the order they came."""

    accepted: int = Field(description="Labels that are in the ledger now; a repeated one counts.")
    unknown: int = Field(description="Labels of predictions that the ledger does not hold; they were not stored.")
    results: list[LabelResult]


def feedback_routes(components: ServerComponents) -> APIRouter:
    """The route that takes labels."""
    router = APIRouter(tags=["feedback"])

    @router.post(
        "/feedback",
        response_model=Feedback,
        responses=problem_responses(400, 404, 413, 415, 422, 500, 503),
        openapi_extra=body_of(OneLabel, Labels, example=_EXAMPLE),
        summary="Report what was true",
    )
    async def feedback(request: Request) -> Feedback:
        """Report the true label of one prediction, or `labels` of many; late, again, or corrected.

        The label with the latest `at` counts; of those with the same, the one reported last. The results name
        unknown predictions one by one; a single unknown one is 404.
        """
        head = RequestHead.from_headers(request.scope["headers"])
        check_media_type(head)
        content = await read_body(head, request.receive, _LARGEST_BODY)
        caller = request.scope[CALLER].name
        if _is_many(content):
            return await asyncio.to_thread(_record_labels, components, parse_json(content, Labels).labels, caller)
        found = await asyncio.to_thread(_record_labels, components, [parse_json(content, OneLabel)], caller)
        if found.unknown:
            raise _unknown_prediction(found.results[0])
        return found

    return router


def _is_many(content: bytes) -> bool:
    """Whether a body has ``labels``: decides which model it is checked against, so that errors fit what was meant."""
    try:
        decoded = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(decoded, dict) and "labels" in decoded


def _record_labels(components: ServerComponents, reported: Sequence[OneLabel], caller: str) -> Feedback:
    """Find the predictions that callers named by their own keys, and store the labels of all."""
    now = datetime.now(UTC)
    ahead = [position for position, item in enumerate(reported) if item.at is not None and item.at > now + AHEAD]
    if ahead:
        message = "lies in the future, where no label can be known yet"
        raise invalid_fields(
            [FieldProblem("at" if len(reported) == 1 else f"labels[{place}].at", message) for place in ahead]
        )
    keys = [item.key for item in reported if item.key is not None]
    ids = components.ledger.ids_by_key(keys, project=components.models.served.model_name) if keys else {}
    named = [item.prediction_id or ids.get(item.key or "") for item in reported]
    labels = [
        Label(prediction_id=prediction_id, label=item.label, at=item.at or now, source=item.source or caller)
        for item, prediction_id in zip(reported, named, strict=True)
        if prediction_id is not None
    ]
    unknown = frozenset(components.ledger.record_labels(labels).unknown)
    results = [
        _label_result(item, None if prediction_id in unknown else prediction_id, _known_labels(components))
        for item, prediction_id in zip(reported, named, strict=True)
    ]
    missing = sum(result.status == "unknown" for result in results)
    return Feedback(accepted=len(results) - missing, unknown=missing, results=results)


def _label_result(item: OneLabel, prediction_id: str | None, classes: frozenset[str]) -> LabelResult:
    if prediction_id is None:
        return LabelResult(status="unknown", prediction_id=item.prediction_id, key=item.key)
    strange = f"The version in service does not know the label '{item.label}'." if item.label not in classes else ""
    return LabelResult(status="accepted", prediction_id=prediction_id, key=item.key, note=strange if classes else "")


def _known_labels(components: ServerComponents) -> frozenset[str]:
    current = components.models.current
    return frozenset(current.manifest.classes) if current else frozenset()


def _unknown_prediction(result: LabelResult) -> NotFoundError:
    named = f"the id {result.prediction_id!r}" if result.key is None else f"the key {result.key!r}"
    return NotFoundError(
        f"The ledger holds no prediction with {named}.",
        next_step="Send the prediction_id that came with the prediction, or the key that was sent in X-Prediction-Key.",
        code="feedback.unknown",
    )
