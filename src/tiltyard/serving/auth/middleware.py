"""ASGI middleware around the whole application: the guard, and security headers on every response."""

from __future__ import annotations

from http import HTTPStatus
from time import perf_counter

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tiltyard.serving.auth.caller import CALLER
from tiltyard.serving.auth.guard import Guard
from tiltyard.serving.problem_details import RequestError, add_error_field, from_error, is_protocol_v2
from tiltyard.serving.telemetry import Instrumentation

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Headers of every response that does not set them itself (the pages set the last two)."""


def auth_middleware(app: FastAPI, guard: Guard, instrumentation: Instrumentation) -> None:
    """Check every request of an application, set ``HEADERS`` on every response, and count it.

    It wraps FastAPI's own error handling, so that also the response to an unforeseen error has the headers. The routes
    find the caller in ``request.scope[CALLER]``.
    """
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: _AuthMiddleware(  # type: ignore[method-assign]
        build(), guard, instrumentation
    )


class _AuthMiddleware:
    def __init__(self, app: ASGIApp, guard: Guard, instrumentation: Instrumentation) -> None:
        self._app = app
        self._guard = guard
        self._instrumentation = instrumentation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        began, status = perf_counter(), 500
        probing = scope["method"] == "OPTIONS"
        scope = self._prepare(scope)
        if is_protocol_v2(scope["path"]):
            send = add_error_field(send)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if probing:
                message = _to_options_response(message, status)
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                status = message["status"]
                names = {name.lower() for name, _ in headers}
                message = {**message, "headers": headers + [pair for pair in HEADERS if pair[0] not in names]}
            await send(message)

        try:
            scope[CALLER] = self._guard.check(scope)
        except RequestError as error:
            await from_error(error)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)
        finally:
            self._instrumentation.report_request(scope, _route_path(scope), status, began)

    def _prepare(self, scope: Scope) -> Scope:
        """The scope as the routes take it: without a proxy's prefix, and HEAD as GET."""
        prefix = self._guard.proxies.find_prefix((scope.get("client") or ("",))[0], scope["headers"])
        if prefix:
            # Most proxies take the prefix away; where one does not, it is taken away here.
            path = scope["path"]
            if _is_within(path, prefix):
                path = path[len(prefix) :] or "/"
            # Routes take away a root path that the path begins with: they would serve another path than is checked.
            scope = {**scope, "root_path": "" if _is_within(path, prefix) else prefix, "path": path}
        if scope["method"] == "HEAD":
            # uvicorn sends no body after the head.
            scope = {**scope, "method": "GET"}
        if scope["path"] == "*":
            # OPTIONS of the whole server, the one request with this target (RFC 9110, section 9.3.7).
            scope = {**scope, "path": "/"}
        return scope


def _is_within(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _to_options_response(message: Message, status: int) -> Message:
    """What a route accepts is the response to OPTIONS, and not an error: 204 with Allow in place of 405."""
    if message["type"] == "http.response.start" and message["status"] == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = [pair for pair in message["headers"] if pair[0].lower() == b"allow"]
        return {**message, "status": HTTPStatus.NO_CONTENT.value, "headers": allowed}
    if message["type"] == "http.response.body" and status == HTTPStatus.NO_CONTENT:
        return {**message, "body": b""}
    return message


def _route_path(scope: Scope) -> str:
    """The path as its route has it; "other" for every path without a route."""
    return str(getattr(scope.get("route"), "path", "other"))
