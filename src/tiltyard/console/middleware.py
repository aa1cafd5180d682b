"""Middleware of the console: addresses of pages, and security headers."""

from __future__ import annotations

from collections.abc import Container

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tiltyard.serving.auth import HEADERS


class PagePaths:
    """Serves the application's one document at every page's address."""

    def __init__(self, app: ASGIApp, paths: Container[str]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a request for a page becomes one for the document."""
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["path"] in self._paths:
            scope = {**scope, "path": "/", "raw_path": b"/"}
        await self._app(scope, receive, send)


class SecureHeaders:
    """Adds headers that block other hosts' scripts and frames, and keep pages out of caches.

    Args:
        app: the application.
        script_hashes: hashes of the document's inline scripts, for the policy.
    """

    def __init__(self, app: ASGIApp, script_hashes: tuple[str, ...]) -> None:
        self._app = app
        self._headers = {
            # Without a referrer browsers send forms with the origin "null", also to their own site.
            "Referrer-Policy": "same-origin",
            # Plots and components set inline styles, hence 'unsafe-inline' for styles alone.
            "Content-Security-Policy": "default-src 'none'; "
            f"script-src 'self' {' '.join(script_hashes)}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its response."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                for name, value in HEADERS:
                    headers.setdefault(name.decode(), value.decode())
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
