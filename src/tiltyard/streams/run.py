"""The stream process: the model of a server, fed from a broker, with a port for its health and its metrics."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Generator
from dataclasses import dataclass
from socket import socket

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from tiltyard.ledger.ports import Ledger
from tiltyard.project import Project, ServingSection
from tiltyard.registry.package.signing import host_keys
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.serving.auth import CALLER, Guard, guard_for
from tiltyard.serving.http.app import run_background_work
from tiltyard.serving.http.routes.health import check_health, health_response
from tiltyard.serving.model.champion_check import champion_check
from tiltyard.serving.model.manager import ModelManager, ServedAlias
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.process.sockets import Address, bind
from tiltyard.serving.process.status_server import serve_status, status_app
from tiltyard.settings import Settings
from tiltyard.streams.address import StreamAddress
from tiltyard.streams.brokers.open_broker import make_source, make_target
from tiltyard.streams.consumer import Consumer, Places
from tiltyard.streams.figures import StreamCollector, StreamFigures
from tiltyard.streams.labelling import StreamLabels
from tiltyard.streams.predicting import StreamPredictor
from tiltyard.streams.request import StreamRequest
from tiltyard.wiring.ledger import open_ledger
from tiltyard.wiring.registry import open_registry


@dataclass(frozen=True, slots=True)
class StreamBackends:
    """What a stream process depends on.

    Attributes:
        ledger: the ledger that all consumers of the group share; it stays open.
        options: the project's ``[serving]``.
        guard: who may see health and metrics.
        models: the versions in service.
    """

    ledger: Ledger
    options: ServingSection
    guard: Guard
    models: ModelManager


def run_stream(
    project: Project,
    settings: Settings,
    request: StreamRequest,
    on_ready: Callable[[Address], object] = lambda _address: None,
) -> None:
    """Predict the messages of a stream until SIGTERM or SIGINT; then finish what was taken, and leave the group.

    Args:
        project: whose champion predicts.
        settings: of this host.
        request: what is read and written.
        on_ready: receives the address of health and metrics once messages are taken.

    Raises:
        UsageError: a stream does not exist, or something else cannot be used.
        UnavailableError: the broker, the ledger or the port is not to be had.
        MissingExtraError: the library of the broker is not installed.
    """
    keys = host_keys(settings)  # before the ledger is opened: it would stay open if a key cannot be used
    options = project.serving.model_copy(
        update={
            "ledger": "durable",
            "max_batch": max(project.serving.max_batch, request.batch),
            "max_queue": max(project.serving.max_queue, 2 * request.batch),
        }
    )
    guard = guard_for(
        project.serving,
        settings.api_key_file,
        host=request.host,
        own_key=settings.own_key,
        needed="read",
        mark=settings.api_keys_mark,
    )
    registry = open_registry(settings)
    with contextlib.closing(bind(request.host, request.port)) as listener, open_ledger(settings) as ledger:
        models = ModelManager(
            ServedAlias(project.model_name, "champion", project.task if project.has_rows else None),
            VersionLoader(registry, settings.cache, settings.trusted_types, keys),
            ledger.append,
            champion_check=champion_check(registry, ledger) if keys.trusted else None,
        )
        if options.challenger is not None:
            models.add_challenger()
        backends = StreamBackends(ledger, options, guard, models)
        asyncio.run(_run(backends, request, listener, on_ready))


async def _run(
    backends: StreamBackends, request: StreamRequest, listener: socket, on_ready: Callable[[Address], object]
) -> None:
    components = ServerComponents.build(backends.models, backends.ledger, backends.options)
    consumers = [_make_predictor(components, request)]
    labels = StreamLabels(components, "stream")
    if request.labels is not None and request.label_dead_letters is not None:
        consumers.append(_make_labeller(labels, request, request.labels, request.label_dead_letters))
    figures = [consumer.figures for consumer in consumers]
    components.instrumentation.metrics.registry.register(StreamCollector(figures))

    def stop() -> None:
        labels.stop()
        for consumer in consumers:
            consumer.stop()

    async with contextlib.AsyncExitStack() as opened:
        for consumer in consumers:
            await consumer.open(wait=request.wait)
            opened.push_async_callback(consumer.close)
        opened.enter_context(_stop_on_signals(stop))
        app = _make_app(components, backends.guard, figures)
        async with run_background_work(components), serve_status(app, backends.guard, listener):
            host, port = listener.getsockname()[:2]
            on_ready(Address(host, port))
            running = [asyncio.create_task(consumer.run()) for consumer in consumers]
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            stop()  # where one has failed, the others finish what they took
            await asyncio.gather(*running)


def _make_predictor(components: ServerComponents, request: StreamRequest) -> Consumer:
    source = make_source(request.source, request.group, request.batch, request.hold_seconds)
    places = Places(source, make_target(request.dead_letters), make_target(request.target))
    handler = StreamPredictor(components, request.source.identity)
    figures = StreamFigures("predictions", request.source.shown)
    return Consumer(places, handler, figures, most=request.batch, hold_seconds=request.hold_seconds)


def _make_labeller(
    labels: StreamLabels, request: StreamRequest, source: StreamAddress, dead_letters: StreamAddress
) -> Consumer:
    read = make_source(source, request.label_group, request.batch, request.hold_seconds)
    places = Places(read, make_target(dead_letters))
    figures = StreamFigures("labels", source.shown)
    return Consumer(places, labels, figures, most=request.batch, hold_seconds=request.hold_seconds)


@contextlib.contextmanager
def _stop_on_signals(stop: Callable[[], object]) -> Generator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _make_app(components: ServerComponents, guard: Guard, figures: list[StreamFigures]) -> FastAPI:
    """Health and metrics of the stream process."""

    async def live(_request: Request) -> Response:
        # Whether the process runs; what it waits for does not need a new start.
        return JSONResponse({"name": "tiltyard", "ready": True})

    async def health(request: Request) -> Response:
        state = await check_health(components)
        waiting = next((one for one in figures if one.problem), None)
        if waiting is not None and state.status == "healthy":
            update = {"status": "degraded", "reason": waiting.problem, "next_step": waiting.next_step}
            state = state.model_copy(update=update)
        may_read = request.scope[CALLER].has_scope("read")
        streams = [one.to_dict() for one in figures] if may_read else []
        return health_response(state, may_read=may_read, streams=streams)

    return status_app(components.worker_metrics, guard, components.instrumentation, live=live, health=health)
