"""Errors as RFC 9457 problem documents: the one place where errors meet HTTP status codes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import Message, Send

from tiltyard.errors import (
    ArtifactError,
    InputError,
    NotFoundError,
    TiltyardError,
    UnavailableError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"
# As many wrong fields as a person reads.
MOST_FIELDS = 50
_MOST_SHOWN = 3

# The codes that /docs explains; a problem of another code has no separate type (RFC 9457, section 4.2.1).
EXPLAINED = frozenset(
    {
        "api-key.expired",
        "api-key.invalid",
        "api-key.lost",
        "api-key.missing",
        "api-key.revoked",
        "api-key.scope",
        "artifact.refused",
        "champion.missing",
        "explain.label-unknown",
        "feedback.ambiguous",
        "feedback.unknown",
        "http.method-not-allowed",
        "http.not-found",
        "host.other",
        "idempotency.key",
        "idempotency.reused",
        "idempotency.unavailable",
        "input.invalid",
        "internal",
        "ledger.unavailable",
        "model.loading",
        "model.unknown",
        "profile.running",
        "queue.full",
        "rate.limited",
        "registry.unavailable",
        "request.forwarded",
        "request.head-too-large",
        "request.header",
        "request.host",
        "request.key",
        "request.malformed",
        "request.media-type",
        "request.slow",
        "request.too-large",
        "request.too-many",
        "server.bodies",
        "server.closing",
        "server.connections",
        "site.other",
    }
)

# The first class that fits decides.
STATUS: tuple[tuple[type[TiltyardError], int], ...] = (
    (InputError, 422),
    (UsageError, 400),
    (NotFoundError, 404),
    (ArtifactError, 409),
    (UnavailableError, 503),
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field of a request that is wrong.

    Attributes:
        field: where it stands; empty for the body itself.
        message: what is wrong with it, to be read after its name.
        next_step: what to do about it, as a sentence; empty where the message says all.
    """

    field: str
    message: str
    next_step: str = ""


class RequestError(TiltyardError):
    """A request that the route does not accept.

    Args:
        status: the HTTP status of the response.
        errors: the fields that are wrong, where it is about fields.
        headers: more headers of the response.

    Attributes:
        refused: column and reason of each value or column that refuses the request, where that is why.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        next_step: str,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step, code=code)
        self.status = status
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.refused: Sequence[tuple[str, str]] = ()


def invalid_fields(
    problems: Sequence[FieldProblem], *, code: str = InputError.code, next_step: str = ""
) -> RequestError:
    """The error that names wrong fields of a body (at least one); a field without a name is the body itself.

    Fields with the same problem share one sentence.

    Args:
        problems: what is wrong.
        code: the stable name of the error.
        next_step: what to do; default: what the problems say, each once.
    """
    return RequestError(
        _list_problems(problems),
        status=422,
        code=code,
        next_step=next_step or _join_steps(problems),
        errors=problems[:MOST_FIELDS],
    )


def _list_problems(problems: Sequence[FieldProblem]) -> str:
    fields: dict[str, list[str]] = {}
    for item in problems:
        fields.setdefault(item.message, []).append(item.field)
    shown = "; ".join(_name_fields(fields[message], message) for message in list(fields)[:_MOST_SHOWN])
    hidden = sum(len(fields[message]) for message in list(fields)[_MOST_SHOWN:])
    more = f"; and {hidden} more" if hidden else ""
    end = "" if shown.endswith("?") and not more else "."
    return f"{shown[:1].upper()}{shown[1:]}{more}{end}"


def _name_fields(fields: Sequence[str], message: str) -> str:
    """One sentence about the fields that have the same problem."""
    if len(fields) == 1:
        return f"'{fields[0]}' {message}" if fields[0] else message
    return f"{_join_names(fields)}: each {message}"


def _join_names(fields: Sequence[str]) -> str:
    named = [f"'{field}'" if field else "the body" for field in fields[:_MOST_SHOWN]]
    if len(fields) > _MOST_SHOWN:
        named.append(f"{len(fields) - _MOST_SHOWN} more")
    return " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))


def _join_steps(problems: Sequence[FieldProblem]) -> str:
    steps = [item.next_step for item in problems if item.next_step]
    others = list(dict.fromkeys(item.field for item in problems if not item.next_step))
    if others:
        steps.append(f"Correct {_join_names(others)}, and send the request again.")
    return " ".join(list(dict.fromkeys(steps))[:_MOST_SHOWN])


def problem(
    status: int,
    detail: str,
    *,
    code: str,
    next_step: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document: type, title, status, detail, code, next_step, and errors where fields are wrong."""
    content: dict[str, Any] = {
        "type": problem_type(code),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "next_step": next_step,
    }
    if errors:
        content["errors"] = [{"field": item.field, "message": item.message} for item in errors]
    return Response(msgspec.json.encode(content), status, headers, MEDIA_TYPE)


def from_error(error: TiltyardError) -> Response:
    """The problem document of an error of Tiltyard's."""
    errors: Sequence[FieldProblem] = ()
    if isinstance(error, RequestError):
        status, errors = error.status, error.errors
    else:
        status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    headers = {"Retry-After": str(error.fields.get("retry_after", 5))} if status == 503 else {}
    if isinstance(error, RequestError):
        headers |= error.headers
    return problem(status, error.message, code=error.code, next_step=error.next_step, errors=errors, headers=headers)


def is_protocol_v2(path: str) -> bool:
    """Whether a path is one of the Open Inference Protocol V2, known or not."""
    return path == "/v2" or path.startswith("/v2/")


def add_error_field(send: Send) -> Send:
    """A ``send`` whose problem documents also carry ``error``, which is where clients of the protocol V2 look."""
    start: Message | None = None
    parts: list[bytes] = []

    async def send_problem(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            headers = message.get("headers", ())
            if any(
                name.lower() == b"content-type" and value.startswith(MEDIA_TYPE.encode()) for name, value in headers
            ):
                start = message
                return
        if start is None or message["type"] != "http.response.body":
            await send(message)
            return
        parts.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = _with_error_field(b"".join(parts))
        others = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
        await send({**start, "headers": [*others, (b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    return send_problem


def _with_error_field(body: bytes) -> bytes:
    if not body:  # the response to a HEAD request
        return body
    content = msgspec.json.decode(body)
    return msgspec.json.encode({"error": content["detail"], **content})


def from_unknown_error(scope: Mapping[str, Any], error: Exception) -> Response:
    """The problem document of an unforeseen error, which is logged."""
    log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
    return problem(
        500,
        "The server met an unforeseen error; the request may well be right.",
        code="internal",
        next_step="Read the server's log, and report the error.",
    )


def add_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem document; no traceback leaves it."""
    app.add_exception_handler(TiltyardError, _on_tiltyard_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_unknown_error)


def problem_type(code: str) -> str:
    """The ``type`` of a problem document: where the code is explained, if it is."""
    anchor = "artifact.refused" if code.startswith("artifact.") else code
    return f"/docs#{anchor}" if anchor in EXPLAINED else "about:blank"


async def _on_tiltyard_error(_request: Request, error: Exception) -> Response:
    return from_error(error) if isinstance(error, TiltyardError) else await _on_unknown_error(_request, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """The router's own errors: no such path, or another method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = f"{request.method} {request.url.path}: {HTTPStatus(status).phrase.lower()}."
    return problem(
        status,
        detail,
        code=f"http.{HTTPStatus(status).phrase.lower().replace(' ', '-')}",
        next_step="GET /docs shows every route and what it accepts.",
        headers=getattr(error, "headers", None),
    )


async def _on_unknown_error(request: Request, error: Exception) -> Response:
    return from_unknown_error(request.scope, error)
