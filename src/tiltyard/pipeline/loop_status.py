"""The loop's own server: whether it lives, how its latest pass ended, and the metrics of the model."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from socket import socket

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tiltyard.errors import TiltyardError
from tiltyard.ledger import Ledger
from tiltyard.pipeline.loop_metrics import ModelCollector
from tiltyard.project import Project
from tiltyard.serving.auth import CALLER, Guard
from tiltyard.serving.process.status_server import status_app, status_thread
from tiltyard.serving.telemetry import MultiprocessMetrics
from tiltyard.serving.telemetry.instrumentation import Instrumentation
from tiltyard.serving.telemetry.metrics import Metrics


class LoopStatus(Collector):
    """What a loop process says of itself. Its threads report, and the threads of the server read.

    Args:
        project: the project.
        ledger: where the figures of the model are.
        patience: seconds from one sign of life to the next, after which the loop counts as hung.
        clock: seconds that only rise.
    """

    def __init__(
        self, project: Project, ledger: Ledger, patience: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model_name, self._patience, self._clock = project.model_name, patience, clock
        self._model = ModelCollector(project, ledger)
        self._reading = threading.Lock()
        self._beat = clock()
        self._passed: datetime | None = None
        self._problem: TiltyardError | None = None

    def beat(self) -> None:
        """Record that the loop makes progress; costs next to nothing."""
        self._beat = self._clock()

    def report_pass(self) -> None:
        """Record that a pass has ended well."""
        self._passed, self._problem = datetime.now(UTC), None

    def report_problem(self, problem: TiltyardError) -> None:
        """Record that something failed; it stands until a pass ends well."""
        self._problem = problem

    @property
    def is_alive(self) -> bool:
        """Whether the latest sign of life is recent enough."""
        return self._clock() - self._beat < self._patience

    def summarise(self, *, may_read: bool) -> dict[str, object]:
        """The state as JSON-ready data; without its reasons for callers who may not read."""
        problem = self._problem
        status = "unhealthy" if not self.is_alive else "degraded" if problem else "healthy"
        passed = self._passed
        said: dict[str, object] = {
            "status": status,
            "model": self._model_name,
            "passed_at": passed.isoformat() if passed else None,
        }
        if may_read:
            said |= {
                "reason": problem.message if problem else "",
                "next_step": problem.next_step if problem else "",
                "seconds_since_progress": round(self._clock() - self._beat, 1),
            }
        return said

    def collect(self) -> Iterator[Metric]:
        """The metrics of the loop and of its model; where the ledger is away, ``tiltyard_ledger_up`` says so."""
        with self._reading:
            try:
                model = list(self._model.collect())
            except TiltyardError:
                model = []
            yield from model
        yield GaugeMetricFamily("tiltyard_loop_ledger_up", "1 if the ledger could be read.", float(bool(model)))
        yield GaugeMetricFamily(
            "tiltyard_loop_problem", "1 while a step of the loop fails.", float(bool(self._problem))
        )
        yield GaugeMetricFamily(
            "tiltyard_loop_silence_seconds", "Seconds since the loop made progress.", self._clock() - self._beat
        )


@contextlib.contextmanager
def loop_server(status: LoopStatus, guard: Guard, listener: socket) -> Iterator[None]:
    """Serve the loop's health and metrics for the block."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(status)
    ProcessCollector(registry=registry)

    async def live(_request: Request) -> Response:
        code = 200 if status.is_alive else 503
        return JSONResponse({"name": "tiltyard", "live": status.is_alive}, code, {"Cache-Control": "no-store"})

    async def health(request: Request) -> Response:
        said = await asyncio.to_thread(status.summarise, may_read=request.scope[CALLER].has_scope("read"))
        return JSONResponse(said, 200 if status.is_alive else 503, {"Cache-Control": "no-store"})

    app = status_app(MultiprocessMetrics(registry), guard, Instrumentation(Metrics()), live=live, health=health)
    with status_thread(app, guard, listener):
        yield
