"""GET /, /docs and /reference, and what they load: all from this package, nothing from another host."""

from __future__ import annotations

import gzip

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from tiltyard.serving.compression import accepts_gzip
from tiltyard.serving.headers import read_headers
from tiltyard.serving.http.page_files import PageFile, read_page_files

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


def page_routes() -> APIRouter:
    """The routes that people open in a browser."""
    router = APIRouter(include_in_schema=False)
    files = read_page_files()

    def send(name: str, request: Request) -> Response:
        if name not in files:
            raise HTTPException(404)
        return send_page_file(files[name], request, _SWAGGER_POLICY if name == "docs.html" else None)

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


def send_page_file(file: PageFile, request: Request, policy: str | None = None) -> Response:
    """A file of the pages, packed where the browser takes that, and 304 where it has it already."""
    headers = {**_HEADERS, "ETag": file.tag} | ({"Content-Security-Policy": policy} if policy else {})
    sent = read_headers(request.scope["headers"])
    known = [tag.strip() for tag in sent.get(b"if-none-match", b"").decode("latin-1").split(",")]
    if file.tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    content = file.content
    if file.packed and accepts_gzip(request.scope["headers"]):
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    elif file.packed:
        content = gzip.decompress(content)
    return Response(content, headers=headers, media_type=file.media)
