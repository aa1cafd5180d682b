"""The FastAPI application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect

from tiltyard._version import __version__
from tiltyard.errors import TiltyardError
from tiltyard.ledger.ports import Ledger
from tiltyard.processes.worker_identity import SINGLE_PROCESS, WorkerIdentity
from tiltyard.project import ServingSection
from tiltyard.serving.auth import HEADERS, Guard, auth_middleware
from tiltyard.serving.batch_jobs import BatchDesk
from tiltyard.serving.field_errors import on_invalid_url
from tiltyard.serving.http.openapi import describe
from tiltyard.serving.http.routes.batch import batch_routes
from tiltyard.serving.http.routes.explain import explain_routes
from tiltyard.serving.http.routes.feedback import feedback_routes
from tiltyard.serving.http.routes.file import file_routes
from tiltyard.serving.http.routes.health import health_routes
from tiltyard.serving.http.routes.history import history_routes
from tiltyard.serving.http.routes.invocations import invocation_routes
from tiltyard.serving.http.routes.metrics import metric_routes
from tiltyard.serving.http.routes.model import model_routes
from tiltyard.serving.http.routes.pages import page_routes
from tiltyard.serving.http.routes.predict import predict_operations, predict_routes
from tiltyard.serving.http.routes.profile import profile_routes
from tiltyard.serving.http.routes.v2 import v2_routes
from tiltyard.serving.model.alias_watcher import AliasWatcher
from tiltyard.serving.model.manager import ModelManager
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.endpoint import FastPathApp, PredictEndpoint
from tiltyard.serving.problem_details import add_handlers

# nginx's status for a client that left before the response; nobody receives it.
CLIENT_CLOSED_REQUEST = 499

log = logging.getLogger(__name__)


def create_app(
    models: ModelManager,
    ledger: Ledger,
    options: ServingSection | None = None,
    guard: Guard | None = None,
    identity: WorkerIdentity = SINGLE_PROCESS,
    batch: BatchDesk | None = None,
) -> FastPathApp:
    """Make the application that predicts with a registered model and records in a ledger.

    Its lifespan looks up the version to serve before the first request, looks for new ones while it runs, and
    at its end finishes all that was accepted. The ledger stays open; it belongs to the caller.

    Args:
        models: the versions in service.
        ledger: where predictions are recorded before they are sent.
        options: the project's ``[serving]``; default: the defaults.
        guard: decides who may send requests; default: everybody.
        identity: which of the workers that share a port this process is.
        batch: takes batch jobs; None where no process runs them.
    """
    guard = guard or Guard.open_to_all()
    components = ServerComponents.build(models, ledger, options or ServingSection(), identity)
    app = FastPathApp(
        title=f"Tiltyard: {models.served.model_name}",
        version=__version__,
        summary="Predictions of the champion, each of them recorded before it is sent.",
        docs_url=None,
        redoc_url=None,
        lifespan=lambda _app: run_background_work(components),
    )
    app.predict_endpoint = PredictEndpoint(components, guard, HEADERS)
    app.router.routes.extend(predict_routes(app.predict_endpoint))
    for routes in (
        explain_routes,
        feedback_routes,
        file_routes,
        history_routes,
        health_routes,
        model_routes,
        profile_routes,
        v2_routes,
        invocation_routes,
    ):
        app.include_router(routes(components))
    app.include_router(batch_routes(components, batch))
    app.include_router(metric_routes(components.worker_metrics))
    app.include_router(page_routes())
    add_handlers(app)
    app.add_exception_handler(RequestValidationError, on_invalid_url)
    app.add_exception_handler(ClientDisconnect, _on_client_left)
    describe(app, components, guard, _predict_operations(components))
    auth_middleware(app, guard, components.instrumentation)
    return app


@contextlib.asynccontextmanager
async def run_background_work(components: ServerComponents) -> AsyncIterator[None]:
    """Look up the version to serve, and new ones while the block runs; at its end finish all that was accepted."""
    started = components.statistics.begin(datetime.now(UTC))
    await asyncio.to_thread(components.models.refresh)
    watcher = AliasWatcher(components.models, components.options.reload_seconds)
    watcher.start()
    components.worker_metrics.start()
    if components.shadow is not None:
        components.shadow.start()
    history = asyncio.create_task(asyncio.to_thread(_count_history, components, started))
    try:
        yield
    finally:
        await asyncio.to_thread(watcher.stop)
        await components.batcher.close()
        if components.shadow is not None:
            await asyncio.to_thread(components.shadow.stop)
        await history
        await asyncio.to_thread(components.worker_metrics.stop)
        await asyncio.to_thread(components.instrumentation.close)
        await asyncio.to_thread(components.predictions.bodies.close)


def _count_history(components: ServerComponents, until: datetime) -> None:
    try:
        components.statistics.add_history(
            components.ledger.prediction_stats(components.models.served.model_name, until=until)
        )
    except TiltyardError as error:
        log.warning("Earlier predictions could not be counted: %s", error)


async def _on_client_left(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


def _predict_operations(components: ServerComponents) -> dict[str, Any]:
    return predict_operations(components.options.answer, components.models.target)
