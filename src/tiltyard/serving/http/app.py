"""The FastAPI application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from tiltyard._version import __version__
from tiltyard.errors import TiltyardError
from tiltyard.ledger.ports import Ledger
from tiltyard.project import ServingSection
from tiltyard.serving.auth import HEADERS, Guard, auth_middleware
from tiltyard.serving.http.openapi import describe
from tiltyard.serving.http.routes.explain import explain_routes
from tiltyard.serving.http.routes.feedback import feedback_routes
from tiltyard.serving.http.routes.health import health_routes
from tiltyard.serving.http.routes.invocations import invocation_routes
from tiltyard.serving.http.routes.metrics import metric_routes
from tiltyard.serving.http.routes.model import model_routes
from tiltyard.serving.http.routes.pages import page_routes
from tiltyard.serving.http.routes.predict import predict_routes
from tiltyard.serving.http.routes.profile import profile_routes
from tiltyard.serving.http.routes.v2 import v2_routes
from tiltyard.serving.model.alias_watcher import AliasWatcher
from tiltyard.serving.model.manager import ModelManager
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.endpoint import FastPathApp, PredictEndpoint
from tiltyard.serving.problem_details import add_handlers
from tiltyard.serving.telemetry.user_metrics import SINGLE_PROCESS, WorkerIdentity

# What nginx says of a client that went away before it was answered; nobody receives it.
CLIENT_CLOSED_REQUEST = 499

log = logging.getLogger(__name__)


def create_app(
    live: ModelManager,
    ledger: Ledger,
    options: ServingSection | None = None,
    guard: Guard | None = None,
    place: WorkerIdentity = SINGLE_PROCESS,
) -> FastPathApp:
    """Make the application that answers with a live model and records in a ledger.

    Its lifespan looks up the version to serve before the first request, looks for new ones while it runs, and
    at its end answers all that was accepted. The ledger stays open; it belongs to the caller.

    Args:
        live: which version answers.
        ledger: where answers are recorded before they are given.
        options: the project's ``[serving]``; default: the defaults.
        guard: whom to let in; default: everybody.
        place: where this process stands among the workers that share a port.
    """
    guard = guard or Guard.open_to_all()
    service = ServerComponents.of(live, ledger, options or ServingSection(), place)
    app = FastPathApp(
        title=f"Tiltyard: {live.served.model}",
        version=__version__,
        summary="Answers of the champion, each of them recorded before it is given.",
        docs_url=None,
        redoc_url=None,
        lifespan=lambda _app: _lifespan(service),
    )
    app.hot = PredictEndpoint(service, guard.check, HEADERS)
    app.include_router(predict_routes(app.hot, service.options.answer))
    for routes in (explain_routes, feedback_routes, health_routes, model_routes, profile_routes):
        app.include_router(routes(service))
    for protocol in (v2_routes, invocation_routes):
        app.include_router(protocol(service))
    app.include_router(metric_routes(service.workers))
    app.include_router(page_routes())
    add_handlers(app)
    app.add_exception_handler(ClientDisconnect, _on_client_gone)
    describe(app, service, guard)
    auth_middleware(app, guard, service.observer)
    return app


@contextlib.asynccontextmanager
async def _lifespan(service: ServerComponents) -> AsyncIterator[None]:
    started = datetime.now(UTC)
    await asyncio.to_thread(service.live.refresh)
    poller = AliasWatcher(service.live, service.options.reload_seconds)
    poller.start()
    service.workers.start()
    if service.shadow is not None:
        service.shadow.start()
    history = asyncio.create_task(asyncio.to_thread(_count_history, service, started))
    try:
        yield
    finally:
        await asyncio.to_thread(poller.stop)
        await service.batcher.close()
        if service.shadow is not None:
            await asyncio.to_thread(service.shadow.stop)
        await history
        await asyncio.to_thread(service.workers.stop)
        await asyncio.to_thread(service.observer.close)


def _count_history(service: ServerComponents, until: datetime) -> None:
    try:
        service.statistics.add_history(service.ledger.prediction_stats(service.live.served.model, until=until))
    except TiltyardError as error:
        log.warning("Earlier predictions could not be counted: %s", error)


async def _on_client_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)
