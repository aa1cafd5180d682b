"""GET /, /docs and /reference, and what they load: all from this package, nothing from another host."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

FOLDER = Path(__file__).parent.parent / "pages"
SWAGGER = FOLDER / "swagger"

_MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_REST = "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# The browser itself refuses whatever does not come from this server.
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; {_REST}",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Swagger UI sets inline styles, and its icons are data: addresses; scripts come from this server alone all the same.
_SWAGGER_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; {_REST}"
)


@dataclass(frozen=True)
class _PageFile:
    """A file of the pages.

    Attributes:
        content: its bytes as they are stored.
        media: its media type.
        packed: whether they are compressed with gzip.
        tag: its ETag.
    """

    content: bytes
    media: str
    packed: bool
    tag: str


def page_routes() -> APIRouter:
    """The routes that people open in a browser."""
    router = APIRouter(include_in_schema=False)
    files = {path.name: _read_file(path) for path in FOLDER.iterdir() if path.suffix in _MEDIA} | {
        path.stem: _read_file(path) for path in SWAGGER.glob("*.gz")
    }

    def send(name: str, request: Request) -> Response:
        if name not in files:
            raise HTTPException(404)
        return _send_file(files[name], request, _SWAGGER_POLICY if name == "docs.html" else None)

    @router.get("/")
    async def index(request: Request) -> Response:
        return send("index.html", request)

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        return send("docs.html", request)

    @router.get("/reference")
    async def reference(request: Request) -> Response:
        return send("reference.html", request)

    @router.get("/pages/{name}")
    async def page(name: str, request: Request) -> Response:
        return send(name, request)

    @router.get("/favicon.ico")
    async def icon(request: Request) -> Response:
        return send("icon.svg", request)

    return router


def _send_file(file: _PageFile, request: Request, policy: str | None) -> Response:
    headers = {**_HEADERS, "ETag": file.tag} | ({"Content-Security-Policy": policy} if policy else {})
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    content = file.content
    if file.packed:
        headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            content = gzip.decompress(content)
    return Response(content, headers=headers, media_type=file.media)


def _read_file(path: Path) -> _PageFile:
    content, packed = path.read_bytes(), path.suffix == ".gz"
    media = _MEDIA[Path(path.stem).suffix if packed else path.suffix]
    return _PageFile(content, media, packed, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
