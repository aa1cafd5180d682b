"""POST /admin/profile: a CPU profile of the running server."""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response

from tiltyard.serving.http.audit import record_admin_action
from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.problem_details import RequestError
from tiltyard.serving.telemetry.cpu_profiler import STYLE_DIGEST, CpuProfile, sample_threads

LONGEST_SECONDS = 60.0
Form = Literal["html", "collapsed", "speedscope"]
# The page has one style, and runs nothing.
_POLICY = f"default-src 'none'; style-src '{STYLE_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_MEDIA = {"html": "text/html", "collapsed": "text/plain", "speedscope": "application/json"}


def profile_routes(components: ServerComponents) -> APIRouter:
    """The route that profiles the server."""
    router = APIRouter(tags=["operation"])
    running = Lock()
    content: dict[str, Any] = {
        "text/html": {"schema": {"type": "string"}},
        "text/plain": {"schema": {"type": "string"}},
        "application/json": {"schema": {"type": "object"}},
    }

    @router.post(
        "/admin/profile",
        response_class=Response,
        responses={200: {"description": "The profile.", "content": content}, **problem_responses(409, 422, 500)},
        summary="Profile the running server",
    )
    async def profile(
        request: Request,
        seconds: Annotated[float, Query(gt=0, le=LONGEST_SECONDS, description="How long.")] = 5.0,
        interval_ms: Annotated[float, Query(ge=1, le=1000, description="From one sample to the next.")] = 10.0,
        form: Annotated[
            Form, Query(alias="format", description="A page, stacks as lines, or for speedscope.")
        ] = "html",
    ) -> Response:
        """Sample the stacks of all threads of the worker that gets the request. The ledger records it as an event."""
        if not running.acquire(blocking=False):
            raise RequestError(
                "The server is being profiled already.",
                status=409,
                code="profile.running",
                next_step="Send the request again when that profile is done.",
            )
        try:
            found = await asyncio.to_thread(sample_threads, seconds, interval_ms / 1000.0)
        finally:
            running.release()
        await record_admin_action(components, request, "profiled", {"seconds": seconds, "looks": found.samples})
        body = _render(found, form, components.models.served.model_name)
        return Response(body, headers={"Content-Security-Policy": _POLICY}, media_type=_MEDIA[form])

    return router


def _render(profile: CpuProfile, form: Form, name: str) -> bytes:
    if form == "speedscope":
        return msgspec.json.encode(profile.speedscope(name))
    return (profile.page(name) if form == "html" else profile.format_collapsed()).encode()
