"""What stands before the whole application: the guard, and headers on every answer."""

from __future__ import annotations

from time import perf_counter

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tiltyard.serving.auth.guard import CALLER, Guard
from tiltyard.serving.problem_details import RequestError, from_error
from tiltyard.serving.telemetry import Instrumentation

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Headers of every answer that does not set them itself (the pages set the last two)."""


def auth_middleware(app: FastAPI, guard: Guard, observer: Instrumentation) -> None:
    """Let every request of an application through the guard, set ``HEADERS`` on every answer, and tell the observer.

    It stands outside of FastAPI's own error handling, so that also the answer to an unforeseen error has the headers.
    The routes find the caller in ``request.scope[CALLER]``.
    """
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: _Shield(build(), guard, observer)  # type: ignore[method-assign]


class _Shield:
    def __init__(self, app: ASGIApp, guard: Guard, observer: Instrumentation) -> None:
        self._app = app
        self._guard = guard
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        began, status = perf_counter(), 500

        async def send_shielded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                status = message["status"]
                names = {name.lower() for name, _ in given}
                message = {**message, "headers": given + [pair for pair in HEADERS if pair[0] not in names]}
            await send(message)

        try:
            scope[CALLER] = self._guard.check(scope)
        except RequestError as error:
            await from_error(error)(scope, receive, send_shielded)
        else:
            await self._app(scope, receive, send_shielded)
        finally:
            self._observer.answered(scope, _route(scope), status, began)


def _route(scope: Scope) -> str:
    """The path as its route has it; one word for all that no route was found for, whatever they asked."""
    return str(getattr(scope.get("route"), "path", "other"))
