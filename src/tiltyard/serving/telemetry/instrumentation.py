"""One place that is told of every request and every batch, for metrics, traces and logs alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from tiltyard.serving.telemetry.logs import access_line, access_log
from tiltyard.serving.telemetry.metrics import Metrics, RecordedBatch, ignore_errors
from tiltyard.serving.telemetry.traces import Traces

# Where an answered request names its predictions in the ASGI scope: their ids.
PREDICTIONS = "tiltyard.predictions"
CustomMetrics = tuple[str, Callable[[Sequence[Any]], Any]]


class Instrumentation:
    """Told of requests and batches; safe to use from several threads.

    Whoever answers requests takes ``begin = perf_counter()`` before, and calls ``answered`` after the answer was sent::

        observer.answered(scope, "/predict", 200, begin)

    Args:
        metrics: what counts.
        traces: what makes spans; None for none.
        custom: the users' own metrics: names, and functions that are given each batch of recorded predictions.
    """

    def __init__(self, metrics: Metrics, traces: Traces | None = None, custom: Sequence[CustomMetrics] = ()) -> None:
        self.metrics = metrics
        self._traces = traces
        self._custom = tuple(custom)
        self._batch_began = 0

    @property
    def wants_predictions(self) -> bool:
        """Whether answered requests should name their predictions: where there are traces or access logs."""
        return self._traces is not None or access_log.isEnabledFor(20)

    def answered(self, scope: Any, route: str, status: int, begin: float) -> None:
        """A request was answered.

        Args:
            scope: its ASGI scope; under ``PREDICTIONS`` the ids of its predictions, where it has any.
            route: its path as the route has it, such as ``/v2/models/{name}``.
            status: the answer's.
            begin: when it came, on ``perf_counter``'s clock.
        """
        seconds = perf_counter() - begin
        self.metrics.answered(scope["method"], route, status, seconds)
        if self.wants_predictions:
            self._tell(scope, route, status, seconds)

    def batch_begins(self) -> None:
        """A batch is about to be scored, on this thread; there is one at a time."""
        self._batch_began = time.time_ns()

    def recorded(self, rows: Sequence[RecordedBatch]) -> None:
        """That batch is durable in the ledger."""
        self.metrics.recorded(rows)
        if self._traces is not None:
            self._traces.batch(rows, self._batch_began)
        for name, call in self._custom:
            ignore_errors(name, call, rows)

    def close(self) -> None:
        """Send what spans are left; closing twice is a no-op."""
        if self._traces is not None:
            self._traces.close()

    def _tell(self, scope: Any, route: str, status: int, seconds: float) -> None:
        ids: Sequence[str] = scope.get(PREDICTIONS, ())
        trace_id = ""
        if self._traces is not None:
            trace_id = self._traces.request(scope, route, status, seconds, ids)
        if access_log.isEnabledFor(20):
            access_line(scope, route, status, seconds, ids, trace_id)
