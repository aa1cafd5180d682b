"""The small server of a program that takes no requests for predictions: its health, and its metrics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from socket import socket
from threading import Thread

import uvicorn
from fastapi import FastAPI, Request, Response

from tiltyard.serving.auth import Guard, auth_middleware
from tiltyard.serving.http.routes.metrics import metric_routes
from tiltyard.serving.problem_details import add_handlers
from tiltyard.serving.process.guarded_server import GuardedServer
from tiltyard.serving.telemetry import MultiprocessMetrics
from tiltyard.serving.telemetry.instrumentation import Instrumentation

HealthResponder = Callable[[Request], Awaitable[Response]]

LIVE = "/v2/health/live"
"""Where a program says whether it is to be started again: the path that the server has too."""


def status_app(
    metrics: MultiprocessMetrics,
    guard: Guard,
    instrumentation: Instrumentation,
    *,
    live: HealthResponder,
    health: HealthResponder,
) -> FastAPI:
    """The routes ``/health``, ``/v2/health/live`` and ``/metrics``.

    Args:
        metrics: what ``/metrics`` responds with.
        guard: decides who may see it.
        instrumentation: counts the requests.
        live: responds whether the program is alive; where it is not, it should be started again.
        health: responds with its state.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(metric_routes(metrics))
    app.add_api_route(LIVE, live, methods=["GET"])
    app.add_api_route("/health", health, methods=["GET"])
    add_handlers(app)
    auth_middleware(app, guard, instrumentation)
    return app


@contextlib.asynccontextmanager
async def serve_status(app: FastAPI, guard: Guard, listener: socket) -> AsyncIterator[None]:
    """Serve it for the block, in the running event loop."""
    server = _make_server(app, guard)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@contextlib.contextmanager
def status_thread(app: FastAPI, guard: Guard, listener: socket) -> Iterator[None]:
    """Serve it for the block, in a thread: for programs without an event loop."""
    server = _make_server(app, guard)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="tiltyard-status", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def _make_server(app: FastAPI, guard: Guard) -> _StatusServer:
    return _StatusServer(uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False), guard)


class _StatusServer(GuardedServer):
    """uvicorn that leaves the signals to the program."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take no signals."""
        yield
