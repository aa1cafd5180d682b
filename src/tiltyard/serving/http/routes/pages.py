"""GET / and /docs, and the styles and scripts they use: all from this package, nothing from another host."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

FOLDER = Path(__file__).parent.parent / "pages"

_MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# The browser itself refuses whatever does not come from this server.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page_routes() -> APIRouter:
    """The routes that people open in a browser."""
    router = APIRouter(include_in_schema=False)
    files = {path.name: (path.read_bytes(), _MEDIA[path.suffix]) for path in FOLDER.iterdir() if path.suffix in _MEDIA}

    def send(name: str, request: Request) -> Response:
        if name not in files:
            raise HTTPException(404)
        content, media = files[name]
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {**_HEADERS, "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media)

    @router.get("/")
    async def index(request: Request) -> Response:
        return send("index.html", request)

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        return send("docs.html", request)

    @router.get("/pages/{name}")
    async def page(name: str, request: Request) -> Response:
        return send(name, request)

    @router.get("/favicon.ico")
    async def icon(request: Request) -> Response:
        return send("icon.svg", request)

    return router
