"""The application behind ``/api/v1``: routes, errors as problem documents, and its own description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse

from tiltyard._version import __version__
from tiltyard.console.api.action_routes import action_routes
from tiltyard.console.api.audit_routes import audit_routes
from tiltyard.console.api.comparison_routes import comparison_routes
from tiltyard.console.api.data import ApiData
from tiltyard.console.api.label_routes import label_routes
from tiltyard.console.api.overview_routes import overview_routes
from tiltyard.console.api.prediction_routes import prediction_routes
from tiltyard.console.api.version_routes import version_routes
from tiltyard.serving.field_errors import on_invalid_url
from tiltyard.serving.http.page_files import read_page_files
from tiltyard.serving.http.routes.pages import send_page_file
from tiltyard.serving.http.schemas import Problem
from tiltyard.serving.problem_details import add_handlers

API_PATH = "/api/v1"
_ROUTES = (
    overview_routes,
    version_routes,
    comparison_routes,
    prediction_routes,
    label_routes,
    audit_routes,
    action_routes,
)
_REFERENCE = "#/components/schemas/{model}"
_SCRIPT = Path(__file__).parent / "docs.js"
_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>API · Tiltyard</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="docs/swagger-ui.css">
<script src="docs/swagger-ui-bundle.js" defer></script><script src="docs/docs.js" defer></script>
</head>
<body><main id="swagger-ui"><noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> has the same.
</noscript></main></body>
</html>"""
_SUMMARY = "What the console shows and does, for programs."
_DESCRIPTION = """The routes read the same data as the console's pages, and take the same actions; `command` is the
command that does the same.

A browser that is signed in to the console uses its session; programs send an API key as `Authorization: Bearer …` or
`X-API-Key: …`. The role of a key follows from its scopes: viewer (`read`), labeller (`read`, `feedback`), operator
(`read`, `operate`), admin (`admin`). Each may all that those before it may. Where no API keys were made, the console is
open to this machine alone, with the role admin, and decisions are recorded as those of "console, not signed in".

Errors are problem documents (`application/problem+json`, RFC 9457) with a `code` and a `next_step`."""


def create_api(data: ApiData) -> FastAPI:
    """Make the application that is mounted at ``/api/v1``; what guards the console guards it too.

    Args:
        data: the stores behind the routes.
    """
    app = FastAPI(
        title=f"Tiltyard console: {data.model_name}",
        version=__version__,
        summary=_SUMMARY,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    for routes in _ROUTES:
        app.include_router(routes(data))
    add_handlers(app)
    app.add_exception_handler(RequestValidationError, on_invalid_url)
    _describe(app)
    _add_page(app)
    return app


def _describe(app: FastAPI) -> None:
    """Let the description hold the form of errors, which routes refer to."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        document = generated()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        problem = Problem.model_json_schema(ref_template=_REFERENCE)
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _add_page(app: FastAPI) -> None:
    """A page to try the routes, from this package alone."""
    files = {name: file for name, file in read_page_files().items() if name in _FILES}

    @app.get("/docs", include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse(_PAGE)

    @app.get("/docs/docs.js", include_in_schema=False)
    def script() -> Response:
        return Response(_SCRIPT.read_bytes(), media_type="text/javascript")

    for name, file in files.items():

        def send(request: Request, file: Any = file) -> Response:
            return send_page_file(file, request)

        app.add_api_route(f"/docs/{name}", send, include_in_schema=False)
