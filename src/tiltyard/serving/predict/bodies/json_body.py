"""Bodies of JSON: as values, or as a model."""

from __future__ import annotations

from typing import Any, TypeVar

import pydantic_core
from pydantic import BaseModel, ValidationError

from tiltyard.serving.field_errors import describe_errors
from tiltyard.serving.predict.bodies.json_values import ValueLimit, refuse_surplus_values
from tiltyard.serving.problem_details import RequestError, invalid_fields

Body = TypeVar("Body", bound=BaseModel)


def decode_json_body(content: bytes | bytearray, limit: ValueLimit) -> Any:
    """JSON as Python's values; ``NaN`` and ``Infinity``, which several clients write for gaps, are numbers.

    Raises:
        RequestError: it is empty, not JSON, or holds more values than its limit.
    """
    refuse_empty_body(content)
    refuse_surplus_values(content, limit)
    try:
        return pydantic_core.from_json(content)
    except ValueError as error:
        raise malformed_json(str(error)) from None


def parse_json(content: bytes | bytearray, model: type[Body], limit: ValueLimit) -> Body:
    """JSON as a model, read as ``decode_json_body`` reads it.

    Raises:
        RequestError: it is empty, not JSON, holds more values than its limit, or is not what the model says.
    """
    refuse_empty_body(content)
    refuse_surplus_values(content, limit)
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_url=False)
    if found[0]["type"] == "json_invalid":
        raise malformed_json(found[0]["msg"].removeprefix("Invalid JSON: "))
    raise invalid_fields(describe_errors(found, list(model.model_fields)))


def refuse_empty_body(content: bytes | bytearray) -> None:
    """Refuse a body without content, in the same words on every route.

    Raises:
        RequestError: there is nothing in it but white space.
    """
    if not content or content.isspace():
        raise RequestError(
            "The body is empty.",
            status=400,
            code="request.malformed",
            next_step="Send what the route takes in the body; GET /docs shows it with an example.",
        )


def malformed_json(reason: str) -> RequestError:
    """The error for a body that is not JSON."""
    return RequestError(
        f"The body is not valid JSON: {reason}.",
        status=400,
        code="request.malformed",
        next_step="Send JSON in UTF-8.",
    )
