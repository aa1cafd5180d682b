"""From real servers' requests to the decision on their version: only its own failures speak against it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving.conftest import Start
from tests.serving.fake_registry import FakeRegistry
from tests.serving.interfaces import Running
from tiltyard.findings import Finding
from tiltyard.pipeline.remediation.metrics_scraper import MetricsScraper
from tiltyard.pipeline.remediation.service_checks import check_errors, check_service
from tiltyard.pipeline.remediation.service_tally import Scrape, ServiceTally, update_tally
from tiltyard.project import Project
from tiltyard.scoring.sklearn_scorer import SklearnScorer
from tiltyard.scoring.text.text_scorer import TextScorer

PROJECT = Project.model_validate(
    {
        "project": {"name": "films", "task": "text-classification"},
        "data": {"source": "films.csv", "text": "text", "label": "label"},
    }
)


class Balancer(BaseHTTPRequestHandler):
    """Sends each connection to the next server."""

    servers: Sequence[Running] = ()
    turns = count()

    def do_GET(self) -> None:
        server = self.servers[next(self.turns) % len(self.servers)]
        content = httpx.get(f"{server.url}{self.path}").content
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Balancer) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,)).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch, registry: FakeRegistry, text_package: Path) -> threading.Event:
    """The champion is a version whose model fails on some texts, and waits on others until the event is set."""
    gate = threading.Event()
    registry.point_alias("champion", registry.add(text_package))

    def wrap(score: Any) -> Any:
        def fail(self: Any, inputs: Sequence[Mapping[str, Any]]) -> Any:
            if any("fails" in str(item) for item in inputs):
                raise RuntimeError("a bug of the model")
            if any("waits" in str(item) for item in inputs):
                assert gate.wait(30)
            return score(self, inputs)

        return fail

    for kind in (SklearnScorer, TextScorer):
        monkeypatch.setattr(kind, "score", wrap(kind.score))
    return gate


class Watch:
    """Scrapes an address again and again, as the loop does."""

    def __init__(self, url: str) -> None:
        self.scraper, self.since, self.tally = MetricsScraper(url), datetime.now(UTC), None

    tally: ServiceTally | None

    def scrape(self) -> tuple[Finding, Finding]:
        """What the counts so far say about the version, and about the service."""
        now = datetime.now(UTC)
        self.tally = update_tally(self.tally, Scrape(self.scraper.scrape(), "1", self.since, now))
        return check_errors(PROJECT, self.tally, now, "Go back."), check_service(PROJECT, self.tally, now)


def post(server: Running, *texts: str) -> None:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for text in texts:
            client.post("/predict", json={"text": text})


def fill_queue(server: Running, gate: threading.Event, times: int) -> None:
    """While the model is busy and two inputs wait, so many requests find the queue full."""
    held = [threading.Thread(target=post, args=(server, "this waits")) for _ in range(3)]
    for thread in held:
        thread.start()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        while client.get("/health").json()["queue"]["waiting"] < 2:
            pass
        for number in range(times):
            assert client.post("/predict", json={"text": f"too many {number}"}).status_code == 503
    gate.set()
    for thread in held:
        thread.join()


@pytest.mark.requirement("R-MON-21")
def test_three_servers_behind_one_address(start: Start, address: str, fragile: threading.Event) -> None:
    """One failure of one, full queues, one poisoned input and a restart roll nothing back; true failures do."""
    servers = [start(max_queue=2) for _ in range(3)]
    Balancer.servers = servers
    watch = Watch(address)
    post(servers[0], "this fails")
    assert watch.scrape()[0].status == "could_not_judge"
    fill_queue(servers[1], fragile, times=60)
    errors, service = watch.scrape()
    assert errors.status == "could_not_judge"
    assert service.is_found
    assert "60 found the queue full" in service.message
    for server in servers:
        post(server, *["a warm film"] * 20, *["this fails"] * 5)
    errors, _ = watch.scrape()
    assert (errors.status, errors.evidence["requests"], errors.evidence["failures"]) == ("clear", 64, 1)
    servers[2].stop()
    servers[2] = start(max_queue=2)
    post(servers[2], *[f"this fails {number}" for number in range(8)])
    errors, _ = watch.scrape()
    assert errors.is_found
    assert (errors.evidence["requests"], errors.evidence["failures"], errors.evidence["workers"]) == (72, 9, 4)
