"""Request bodies beyond the hot path: read up to a limit, and held against a schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from tiltyard.errors import InputError
from tiltyard.serving.problem_details import FieldProblem, RequestError

# As many wrong fields as a person reads.
SHOWN = 50
_LONGEST_NAME = 120

Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request.

    Raises:
        RequestError: it is larger than ``limit`` bytes, or compressed.
        starlette.requests.ClientDisconnect: the client went away.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError(
            f"The body is encoded as {request.headers['content-encoding']!r}, and only plain bodies are taken.",
            status=415,
            code="request.media-type",
            next_step="Send the body without compression.",
        )
    announced = request.headers.get("content-length", "")
    chunks: list[bytes] = []
    size = int(announced) if announced.isdecimal() and int(announced) > limit else 0
    if not size:
        async for chunk in request.stream():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                break
    if size > limit:
        raise RequestError(
            f"The body is larger than {limit} bytes.",
            status=413,
            code="request.too-large",
            next_step="Send less at once.",
        )
    return b"".join(chunks)


async def read_json(request: Request, model: type[Body], limit: int) -> Body:
    """The body of a request as a model.

    Raises:
        RequestError: it is too large, not JSON, or not what the model says; wrong fields are named one by one.
        starlette.requests.ClientDisconnect: the client went away.
    """
    media_type(request, "application/json")
    return parse_json(await read_body(request, limit), model)


def parse_json(content: bytes, model: type[Body]) -> Body:
    """JSON as a model.

    Raises:
        RequestError: it is not JSON, or not what the model says.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        raise RequestError(
            f"The body is not JSON that can be read: {found[0]['msg'].removeprefix('Invalid JSON: ')}.",
            status=400,
            code="request.malformed",
            next_step="Send JSON in UTF-8.",
        )
    raise invalid([FieldProblem(_place(item["loc"]), _message(item["msg"])) for item in found])


def media_type(request: Request, *taken: str) -> str:
    """The media type of a request's body, one of those that are taken.

    Raises:
        RequestError: it is another one, or missing.
    """
    given = request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if kind in taken:
        return kind
    if "application/json" in taken and kind.startswith("application/") and kind.endswith("+json"):
        return "application/json"
    raise RequestError(
        f"The Content-Type is {given!r}, and {' or '.join(taken)} is taken."
        if given
        else "The Content-Type is missing.",
        status=415,
        code="request.media-type",
        next_step=f"Send the header Content-Type: {taken[0]}.",
    )


def invalid(problems: Sequence[FieldProblem], *, code: str = InputError.code) -> RequestError:
    """The error that names wrong fields of a body (at least one)."""
    shown = "; ".join(f"'{item.field}' {item.message}" if item.field else item.message for item in problems[:3])
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return RequestError(
        f"{shown}{more}.".replace("?.", "?"),
        status=422,
        code=code,
        next_step="Correct what 'errors' lists; GET /docs shows what the route takes.",
        errors=problems[:SHOWN],
    )


def _place(location: Sequence[int | str]) -> str:
    """Where something stands, as ``labels[3].label``."""
    place = ""
    for part in location:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"[0 if place else 1 :]
    return place[:_LONGEST_NAME]


def _message(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
