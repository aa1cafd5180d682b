"""What a server counted, read over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tiltyard.pipeline.remediation.metrics_scraper import MetricsScraper

METRICS = """# TYPE tiltyard_model_info gauge
tiltyard_model_info{{version="2"}} 1.0
# TYPE tiltyard_requests counter
tiltyard_requests_total{{route="/predict",status="200"}} {good}
tiltyard_requests_total{{route="/predict",status="503"}} {bad}
tiltyard_requests_total{{route="/metrics",status="500"}} 7.0
"""


class Metrics(BaseHTTPRequestHandler):
    good = bad = 0

    def do_GET(self) -> None:
        allowed = self.headers.get("Authorization") == "Bearer good"
        self.send_response(200 if allowed else 401)
        self.end_headers()
        if allowed:
            self.wfile.write(METRICS.format(good=self.good, bad=self.bad).encode())

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Metrics) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,)).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_failures_are_counted_from_the_first_probe_on(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first probe of a version counts from nothing; a server that was started anew counts from nothing again."""
    probe = MetricsScraper(server, "good")
    monkeypatch.setattr(Metrics, "good", 5)
    first = probe.counts()
    assert first is not None
    assert (first.version, first.requests, first.failures) == ("2", 0, 0)
    monkeypatch.setattr(Metrics, "bad", 3)
    second = probe.counts()
    assert second is not None
    assert (second.requests, second.failures) == (3, 3)
    monkeypatch.setattr(Metrics, "good", 0)
    third = probe.counts()
    assert third is not None
    assert (third.requests, third.failures) == (3, 3)


def test_a_server_that_requires_another_key_is_distinguished_from_one_that_is_away(server: str) -> None:
    """Without a good key nothing is read, and the probe knows why; the key is not in its text."""
    for key in (None, "bad"):
        probe = MetricsScraper(server, key)
        assert probe.counts() is None
        assert probe.refused
    away = MetricsScraper("http://127.0.0.1:9", "secret-key")
    assert away.counts() is None
    assert not away.refused
    assert "secret-key" not in repr(away)
