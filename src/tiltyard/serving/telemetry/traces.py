"""OpenTelemetry spans: one for each request and one for each batch, linked to each other.

Where the environment names no collector, nothing is imported, made or sent. The variables are OpenTelemetry's own:
https://opentelemetry.io/docs/specs/otel/protocol/exporter/.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

from tiltyard._version import __version__
from tiltyard.errors import MissingExtraError
from tiltyard.serving.telemetry.metrics import CountedPrediction

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
# A span carries at most so many ids.
SHOWN_IDS = 256
# More predictions than can be recorded while their responses were not sent yet.
REMEMBERED = 20_000


class Traces:
    """Makes spans; safe to use from several threads.

    Args:
        provider: an OpenTelemetry tracer provider.
    """

    def __init__(self, provider: Any) -> None:
        from opentelemetry.trace import Link, SpanKind, Status, StatusCode  # noqa: PLC0415 - an extra
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._provider = provider
        self._tracer = provider.get_tracer("tiltyard", __version__)
        self._link, self._kind = Link, SpanKind
        self._failed = Status(StatusCode.ERROR)
        self._extract = TraceContextTextMapPropagator().extract
        self._lock = Lock()
        self._batches: OrderedDict[str, Any] = OrderedDict()

    @classmethod
    def from_environment(cls, service_name: str) -> Traces | None:
        """Traces over OTLP/HTTP to the collector that the environment names; None if it names none.

        Raises:
            MissingExtraError: it names one, and the extra ``otel`` is not installed.
        """
        if not any(os.environ.get(name) for name in ENDPOINTS):
            return None
        if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return None
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ImportError:
            raise MissingExtraError("Sending traces to an OpenTelemetry collector", "otel") from None
        named = os.environ.get("OTEL_SERVICE_NAME") or service_name
        # No handler at exit: the server closes it, and it is not process-wide state.
        provider = TracerProvider(
            resource=Resource.create({"service.name": named, "service.version": __version__}), shutdown_on_exit=False
        )
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def trace_request(self, scope: Any, route: str, status: int, seconds: float, ids: Sequence[str]) -> str:
        """Make the span of a request whose response was sent, below its caller's W3C ``traceparent`` if there is one.

        Returns:
            The id of its trace.
        """
        end = time.time_ns()
        carrier: dict[str, str] = {}
        for name, value in scope["headers"]:
            if name in (b"traceparent", b"tracestate"):
                # Two lines are one list; of a parent that makes none, and the trace begins here.
                key, text = name.decode(), value.decode("latin-1")
                carrier[key] = f"{carrier[key]},{text}" if key in carrier else text
        span = self._tracer.start_span(
            f"{scope['method']} {route}",
            context=self._extract(carrier) if carrier else None,
            kind=self._kind.SERVER,
            start_time=end - int(seconds * 1e9),
            links=[self._link(context) for context in self._find_batches(ids)],
            attributes={
                "http.request.method": scope["method"],
                "http.route": route,
                "url.path": scope["path"],
                "http.response.status_code": status,
                "tiltyard.predictions": len(ids),
                "tiltyard.prediction_ids": list(ids[:SHOWN_IDS]),
            },
        )
        if status >= 500:
            span.set_status(self._failed)
        span.end(end)
        return format(span.get_span_context().trace_id, "032x")

    def trace_batch(self, rows: Sequence[CountedPrediction], began: int) -> None:
        """Make the span of a recorded batch.

        Args:
            rows: its predictions.
            began: when its scoring began, nanoseconds since 1970.
        """
        ids = [str(getattr(row, "id", "")) for row in rows]
        span = self._tracer.start_span(
            "batch",
            start_time=began or None,
            attributes={
                "tiltyard.batch.rows": len(rows),
                "tiltyard.model.version": rows[0].version,
                "tiltyard.prediction_ids": ids[:SHOWN_IDS],
            },
        )
        span.end()
        with self._lock:
            context = span.get_span_context()
            self._batches.update((name, context) for name in ids)
            while len(self._batches) > REMEMBERED:
                self._batches.popitem(last=False)

    def close(self) -> None:
        """Send the spans that are left and stop; closing twice is a no-op."""
        self._provider.shutdown()

    def _find_batches(self, ids: Sequence[str]) -> list[Any]:
        """The spans of the batches of these predictions, each once."""
        with self._lock:
            found = [self._batches.pop(name, None) for name in ids]
        return list({context.span_id: context for context in found if context is not None}.values())
