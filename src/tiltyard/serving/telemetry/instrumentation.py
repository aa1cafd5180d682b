"""Instrumentation: every request and every batch is reported here once, for metrics, traces and logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from tiltyard.serving.telemetry.logs import access_log, log_access
from tiltyard.serving.telemetry.metrics import CountedPrediction, Metrics, ignore_errors
from tiltyard.serving.telemetry.traces import Traces

PREDICTIONS = "tiltyard.predictions"
"""Where the ASGI scope of a request names the ids of its predictions."""

UserMetrics = tuple[str, Callable[[Sequence[Any]], Any]]
"""A name, and a function that receives each batch of recorded predictions."""


class Instrumentation:
    """Counts, traces and logs requests and batches. Safe to use from several threads.

    Code that responds to requests takes ``began = perf_counter()`` before, and reports after the response was sent::

        instrumentation.report_request(scope, "/predict", 200, began)

    Args:
        metrics: counts them.
        traces: makes spans of them; None for no traces.
        user_metrics: the users' own metrics.
    """

    def __init__(
        self, metrics: Metrics, traces: Traces | None = None, user_metrics: Sequence[UserMetrics] = ()
    ) -> None:
        self.metrics = metrics
        self._traces = traces
        self._user_metrics = tuple(user_metrics)
        self._batch_began = 0

    @property
    def wants_predictions(self) -> bool:
        """Whether requests should name their predictions: where there are traces or access logs."""
        return self._traces is not None or access_log.isEnabledFor(20)

    def report_request(self, scope: Any, route: str, status: int, began: float) -> None:
        """Report a request whose response was sent.

        Args:
            scope: its ASGI scope; under ``PREDICTIONS`` the ids of its predictions, where it has any.
            route: its path as the route has it, such as ``/v2/models/{name}``.
            status: the status of the response.
            began: when it came, on ``perf_counter``'s clock.
        """
        seconds = perf_counter() - began
        self.metrics.count_request(scope["method"], route, status, seconds)
        if self.wants_predictions:
            self._trace_and_log(scope, route, status, seconds)

    def start_batch(self) -> None:
        """Report that a batch is about to be scored on this thread; there is one at a time."""
        self._batch_began = time.time_ns()

    def report_batch(self, rows: Sequence[CountedPrediction]) -> None:
        """Report that the batch is durable in the ledger."""
        self.metrics.count_batch(rows)
        if self._traces is not None:
            self._traces.trace_batch(rows, self._batch_began)
        for name, call in self._user_metrics:
            ignore_errors(name, call, rows)

    def close(self) -> None:
        """Send the spans that are left; closing twice is a no-op."""
        if self._traces is not None:
            self._traces.close()

    def _trace_and_log(self, scope: Any, route: str, status: int, seconds: float) -> None:
        ids: Sequence[str] = scope.get(PREDICTIONS, ())
        trace_id = ""
        if self._traces is not None:
            trace_id = self._traces.trace_request(scope, route, status, seconds, ids)
        if access_log.isEnabledFor(20):
            log_access(scope, route, status, seconds, ids, trace_id)
