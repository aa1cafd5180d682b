"""Bodies of JSON: as values, or as a model."""

from __future__ import annotations

from typing import Any, TypeVar

import pydantic_core
from pydantic import BaseModel, ValidationError

from tiltyard.json_reading import find_repeated_key
from tiltyard.serving.field_errors import describe_errors
from tiltyard.serving.predict.bodies.json_values import ValueLimit, refuse_surplus_values
from tiltyard.serving.problem_details import FieldProblem, RequestError, invalid_fields

Body = TypeVar("Body", bound=BaseModel)
_LONGEST_NAME = 80


def decode_json_body(content: bytes | bytearray, limit: ValueLimit) -> Any:
    """JSON as Python's values; ``NaN`` and ``Infinity``, which several clients write for gaps, are numbers.

    Raises:
        RequestError: it is empty, not JSON, holds more values than its limit, or an object names a key twice.
    """
    refuse_empty_body(content)
    refuse_surplus_values(content, limit)
    try:
        decoded = pydantic_core.from_json(content)
    except ValueError as error:
        raise malformed_json(str(error)) from None
    _refuse_repeated_keys(content)
    return decoded


def parse_json(content: bytes | bytearray, model: type[Body], limit: ValueLimit) -> Body:
    """JSON as a model, read as ``decode_json_body`` reads it.

    Raises:
        RequestError: it is empty, not JSON, holds more values than its limit, an object names a key twice, or it is
            not what the model says.
    """
    refuse_empty_body(content)
    refuse_surplus_values(content, limit)
    try:
        parsed = model.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_url=False)
    else:
        # As many colons as keys that were read: none was there twice, and the body need not be read again.
        if content.count(b":") != _count_keys(parsed):
            _refuse_repeated_keys(content)
        return parsed
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


def _count_keys(value: Any) -> int:
    """How many keys of JSON objects a model was made of; those below the values of a dictionary are not counted."""
    if isinstance(value, BaseModel):
        return sum(1 + _count_keys(getattr(value, name)) for name in value.model_fields_set)
    if isinstance(value, dict):
        return len(value)
    if isinstance(value, list) and value and isinstance(value[0], BaseModel | dict):
        return sum(map(_count_keys, value))
    return 0


def _refuse_repeated_keys(content: bytes | bytearray) -> None:
    key = find_repeated_key(content)
    if key is not None:
        problem = FieldProblem(key[:_LONGEST_NAME], "is there twice in one object", "Send each key once.")
        raise invalid_fields([problem])


def malformed_json(reason: str) -> RequestError:
    """The error for a body that is not JSON."""
    return RequestError(
        f"The body is not valid JSON: {reason}.",
        status=400,
        code="request.malformed",
        next_step="Send JSON in UTF-8.",
    )
