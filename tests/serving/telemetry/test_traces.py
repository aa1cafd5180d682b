from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.serving.fake_registry import MODEL
from tests.serving.interfaces import run_server
from tiltyard.serving.telemetry.traces import ENDPOINTS, Traces


class Collector:
    """An OTLP/HTTP receiver on loopback that keeps the spans it gets."""

    def __init__(self) -> None:
        spans = self.spans = list[Span]()
        names = self.services = set[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    names.update(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.close()


def strings(span: Span, key: str) -> list[str]:
    return [v.string_value for a in span.attributes if a.key == key for v in a.value.array_value.values]


@pytest.mark.requirement("R-MON-23")
def test_spans_reach_a_collector(
    collector: Collector, tmp_path: Path, text_package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request and its batch are spans with the prediction's id, linked, below the trace of the caller."""
    monkeypatch.setenv(ENDPOINTS[1], f"http://127.0.0.1:{collector.server.server_port}")
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with run_server(tmp_path, text_package) as films:
        headers = {"traceparent": f"00-{trace}-{parent}-01"}
        response = films.client.post("/predict", json={"text": "a warm film"}, headers=headers).json()
        films.client.post(f"/v2/models/{MODEL}/infer", json={})
    by_name = {span.name: span for span in collector.spans}
    request, batch = by_name["POST /predict"], by_name["batch"]
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (trace, parent)
    assert request.kind == Span.SPAN_KIND_SERVER
    assert strings(request, "tiltyard.prediction_ids") == strings(batch, "tiltyard.prediction_ids")
    assert strings(request, "tiltyard.prediction_ids") == [response["prediction_id"]]
    assert [link.span_id for link in request.links] == [batch.span_id]
    assert request.start_time_unix_nano <= batch.start_time_unix_nano <= batch.end_time_unix_nano
    refused = by_name["POST /v2/models/{name}/infer"]
    assert [a.value.int_value for a in refused.attributes if a.key == "http.response.status_code"] == [422]
    assert collector.services == {MODEL}


def test_nothing_is_sent_unless_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a collector in the environment there are no traces, nor when OpenTelemetry is switched off."""
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert Traces.from_environment("films") is None
    monkeypatch.setenv(ENDPOINTS[0], "http://127.0.0.1:1/v1/traces")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert Traces.from_environment("films") is None
    assert os.environ["OTEL_SDK_DISABLED"]
