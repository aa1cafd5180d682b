"""POST /feedback: the truth about predictions, as it becomes known."""

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
from tiltyard.serving.auth.guard import CALLER
from tiltyard.serving.http.openapi import body_of, problem_responses
from tiltyard.serving.http.schemas import ResponseModel
from tiltyard.serving.predict.bodies import invalid, media_type, parse_json, read_body
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.problem_details import FieldProblem

MOST_LABELS = 10_000
_LARGEST_BODY = 8 * 1024 * 1024
# Clocks differ; a label from further ahead would stand against every correction until then.
AHEAD = timedelta(minutes=1)
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]

_EXAMPLE = {"prediction_id": "the id of an answer", "label": "its true label"}
_EITHER: list[JsonValue] = [
    {"required": ["prediction_id"], "properties": {"prediction_id": {"type": "string"}, "key": {"type": "null"}}},
    {"required": ["key"], "properties": {"key": {"type": "string"}, "prediction_id": {"type": "null"}}},
]


class OneLabel(BaseModel):
    """The truth about one prediction, which is named by its id or by the key that its caller gave it."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"oneOf": _EITHER})

    label: Name = Field(description="The true label.")
    prediction_id: Name | None = Field(default=None, description="The id that came with the answer.")
    key: Name | None = Field(default=None, description="Or the caller's own, as sent in X-Prediction-Key.")
    at: Annotated[AwareDatetime, Field(strict=True)] | None = Field(
        default=None, description="When it became known, not ahead of now; default: now."
    )
    source: Name | None = Field(default=None, description="Who says so; default: the caller.")

    @model_validator(mode="after")
    def _named_once(self) -> Self:
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
    note: str = Field(default="", description="What is remarkable about it; empty if nothing is.")


class Feedback(ResponseModel):
    """What became of the labels, one by one in the order they came."""

    accepted: int = Field(description="Labels that are in the ledger now; a repeated one counts.")
    unknown: int = Field(description="Labels of predictions that the ledger does not hold; they were not stored.")
    results: list[LabelResult]


def feedback_routes(service: ServerComponents) -> APIRouter:
    """The route that takes labels."""
    router = APIRouter(tags=["feedback"])

    @router.post(
        "/feedback",
        response_model=Feedback,
        responses=problem_responses(400, 404, 413, 415, 422, 500, 503),
        openapi_extra=body_of(
            OneLabel, Labels, example={"prediction_id": "the id of an answer", "label": "its true label"}
        ),
        summary="Report what was true",
    )
    async def feedback(request: Request) -> Feedback:
        """Report the true label of one prediction, or `labels` of many; late, again, or corrected.

        The label with the latest `at` counts; of those with the same, the one reported last. What is unknown is
        told label by label; a single unknown one is 404.
        """
        media_type(request, "application/json")
        content = await read_body(request, _LARGEST_BODY)
        caller = request.scope[CALLER].name
        if _is_many(content):
            return await asyncio.to_thread(_record, service, parse_json(content, Labels).labels, caller)
        found = await asyncio.to_thread(_record, service, [parse_json(content, OneLabel)], caller)
        if found.unknown:
            raise _unknown(found.results[0])
        return found

    return router


def _is_many(content: bytes) -> bool:
    """Whether a body speaks of ``labels``; which model it is held against, so that errors are about what was meant."""
    try:
        decoded = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(decoded, dict) and "labels" in decoded


def _record(service: ServerComponents, given: Sequence[OneLabel], caller: str) -> Feedback:
    """Find the predictions that callers named by keys of their own, and store what is known of each."""
    now = datetime.now(UTC)
    ahead = [position for position, item in enumerate(given) if item.at is not None and item.at > now + AHEAD]
    if ahead:
        message = "lies in the future, where nobody can know a truth yet"
        raise invalid([FieldProblem("at" if len(given) == 1 else f"labels[{place}].at", message) for place in ahead])
    keys = [item.key for item in given if item.key is not None]
    ids = service.ledger.ids_by_key(keys, project=service.live.served.model) if keys else {}
    named = [item.prediction_id or ids.get(item.key or "") for item in given]
    labels = [
        Label(prediction_id=prediction_id, label=item.label, at=item.at or now, source=item.source or caller)
        for item, prediction_id in zip(given, named, strict=True)
        if prediction_id is not None
    ]
    unknown = frozenset(service.ledger.record_labels(labels).unknown)
    results = [
        _result(item, None if prediction_id in unknown else prediction_id, _known_labels(service))
        for item, prediction_id in zip(given, named, strict=True)
    ]
    missing = sum(result.status == "unknown" for result in results)
    return Feedback(accepted=len(results) - missing, unknown=missing, results=results)


def _result(item: OneLabel, prediction_id: str | None, classes: frozenset[str]) -> LabelResult:
    if prediction_id is None:
        return LabelResult(status="unknown", prediction_id=item.prediction_id, key=item.key)
    strange = f"The version that answers does not know the label '{item.label}'." if item.label not in classes else ""
    return LabelResult(status="accepted", prediction_id=prediction_id, key=item.key, note=strange if classes else "")


def _known_labels(service: ServerComponents) -> frozenset[str]:
    current = service.live.current
    return frozenset(current.manifest.classes) if current else frozenset()


def _unknown(result: LabelResult) -> NotFoundError:
    named = f"the id {result.prediction_id!r}" if result.key is None else f"the key {result.key!r}"
    return NotFoundError(
        f"The ledger holds no prediction with {named}.",
        next_step="Send the prediction_id that came with the answer, or the key that was sent in X-Prediction-Key.",
        code="feedback.unknown",
    )
