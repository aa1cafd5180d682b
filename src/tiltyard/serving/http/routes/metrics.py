"""GET /metrics: what Prometheus collects."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from tiltyard.serving.headers import read_headers
from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.telemetry import MultiprocessMetrics


def metric_routes(workers: MultiprocessMetrics) -> APIRouter:
    """The route that Prometheus scrapes."""
    router = APIRouter(tags=["operation"])
    shown = {
        "text/plain": {"schema": {"type": "string"}},
        "application/openmetrics-text": {"schema": {"type": "string"}},
    }

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"description": "Metrics of all workers.", "content": shown}, **problem_responses(500)},
        summary="Metrics for Prometheus",
    )
    async def metrics(request: Request) -> Response:
        """Requests, latency, batches, queue, ledger, model and labels, of all workers that share the port."""
        accept = read_headers(request.scope["headers"]).get(b"accept", b"").decode("latin-1")
        body, media_type = await asyncio.to_thread(workers.exposition, accept)
        return Response(body, headers={"Content-Type": media_type})

    return router
