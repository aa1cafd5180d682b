"""POST /predict is served from the connection; however a request comes, it gets the response that ASGI sends."""

from __future__ import annotations

import io
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.conftest import Start
from tests.serving.fake_registry import MODEL, FakeRegistry
from tests.serving.fakes import TestLedger
from tests.serving.interfaces import ServerUnderTest, run_server
from tests.serving.scraping import value
from tiltyard.serving.auth import HEADERS
from tiltyard.serving.connections.connection import BoundedConnection
from tiltyard.serving.predict.fast_path import FastPathProtocol

PATIENCE = 20.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, text_package: Path) -> Iterator[ServerUnderTest]:
    with run_server(tmp_path_factory.mktemp("direct"), text_package) as found:
        yield found


@pytest.fixture
def asgi_paths(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of requests that uvicorn gave to the ASGI application."""
    paths: list[str] = []
    before = BoundedConnection._start_asgi_task

    def noted(self: FastPathProtocol, cycle: Any, app: Any) -> None:
        paths.append(cycle.scope["path"])
        before(self, cycle, app)

    monkeypatch.setattr(BoundedConnection, "_start_asgi_task", noted)
    return paths


def request(text: str, *headers: str, version: str = "1.1", ends: bool = False) -> bytes:
    """A request in bytes; the last one of its connection if it ``ends``."""
    body = json.dumps({"text": text}).encode()
    lines = [f"POST /predict HTTP/{version}", "Host: localhost", "Content-Type: application/json", *headers]
    if ends:
        lines.append("Connection: close")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def in_chunks(text: str, size: int) -> bytes:
    """A request whose body has no length."""
    body = json.dumps({"text": text}).encode()
    lines = [
        "POST /predict HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
    ]
    head = "\r\n".join([*lines, "", ""])
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return head.encode() + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class Stream(io.BufferedReader):
    """What comes over a connection; a response that is read to its end does not end it."""

    def close(self) -> None:
        """Stay open."""

    def makefile(self, _mode: str) -> Self:
        """What ``HTTPResponse`` needs of a socket."""
        return self


@contextmanager
def connected(port: int) -> Iterator[tuple[socket.socket, Stream]]:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        yield connection, Stream(connection.makefile("rb", buffering=0))


def read_responses(stream: Stream, count: int) -> list[tuple[HTTPResponse, Any]]:
    """The next responses of a connection."""
    found = []
    for _ in range(count):
        response = HTTPResponse(stream, method="POST")  # type: ignore[arg-type]
        response.begin()
        found.append((response, json.loads(response.read())))
    return found


def test_an_ordinary_request_never_becomes_an_asgi_task(running: ServerUnderTest, asgi_paths: list[str]) -> None:
    """It is served without ASGI, its prediction is recorded, and its response has every common header."""
    with connected(running.port) as (connection, stream):
        connection.sendall(request("a good film"))
        ((response, content),) = read_responses(stream, 1)
    assert (response.status, asgi_paths) == (200, [])
    recorded = running.ledger.prediction(content["prediction_id"])
    assert recorded is not None
    assert recorded.label == content["prediction"]
    given = {name.lower(): value for name, value in response.getheaders()}
    assert given["content-type"] == "application/json"
    assert {"date", "content-length"} <= set(given)
    assert {name.decode(): value.decode() for name, value in HEADERS}.items() <= given.items()


def test_metrics_count_requests_of_the_fast_path(running: ServerUnderTest) -> None:
    """It is counted and timed like any other."""

    def counted() -> float:
        text = running.client.get("/metrics").text
        return value(text, "tiltyard_requests_total", route="/predict", method="POST", status="200")

    before = counted()
    running.client.post("/predict", json={"text": "good"})
    assert counted() == before + 1


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (request("good", "Idempotency-Key: one"), "its first answer is looked up"),
        (request("good", "Expect: 100-continue"), "its client waits for a word"),
        (request("x" * 70_000), "its body is long"),
        (request("good").replace(b'"text"', b'"word"'), "it is wrong"),
    ],
)
def test_unordinary_requests_go_through_asgi(
    running: ServerUnderTest, asgi_paths: list[str], sent: bytes, why: str
) -> None:
    """What needs more than a prediction at once is left to ASGI, and gets its response there."""
    with connected(running.port) as (connection, stream):
        connection.sendall(sent)
        if b"100-continue" in sent:
            assert stream.read(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        ((response, content),) = read_responses(stream, 1)
    assert asgi_paths == ["/predict"], why
    assert response.status == (422 if b'"word"' in sent else 200), content


@pytest.mark.parametrize(("version", "headers"), [("1.0", ()), ("1.1", ("Connection: close",))])
def test_a_connection_ends_when_its_client_wants_that(
    running: ServerUnderTest, version: str, headers: tuple[str, ...]
) -> None:
    """A connection that is to be closed ends after its response."""
    with connected(running.port) as (connection, stream):
        connection.sendall(request("good", *headers, version=version))
        ((response, _),) = read_responses(stream, 1)
        assert response.getheader("connection") == "close"
        assert stream.read(1) == b""


@settings(deadline=None, max_examples=40)
@given(
    texts=st.lists(st.text(max_size=40), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 400), max_size=8),
    size=st.integers(1, 50),
    chunked=st.booleans(),
)
def test_requests_cut_anywhere_get_their_own_predictions(
    running: ServerUnderTest, texts: list[str], cuts: list[int], size: int, chunked: bool
) -> None:
    """Requests sent at once and cut anywhere get their predictions one after the other, each its own."""
    rest = b"".join(in_chunks(text, size) if chunked else request(text) for text in texts)
    with connected(running.port) as (connection, stream):
        for cut in cuts:
            connection.sendall(rest[:cut])
            rest = rest[cut:]
        connection.sendall(rest)
        found = read_responses(stream, len(texts))
    stored = [running.ledger.prediction(content["prediction_id"]) for _, content in found]
    assert [item and item.input["text"] for item in stored] == texts


def test_requests_of_every_kind_get_their_responses_in_order(running: ServerUnderTest) -> None:
    """Requests of every kind on one connection get their responses in their order."""
    other = b"GET /model-info HTTP/1.1\r\nHost: localhost\r\n\r\n"
    wrong = request("good").replace(b'"text"', b'"word"')
    sent = [request("good"), other, wrong, request("bad"), request("x" * 70_000), request("good", "Idempotency-Key: k")]
    with connected(running.port) as (connection, stream):
        connection.sendall(b"".join(sent))
        statuses = [response.status for response, _ in read_responses(stream, len(sent))]
    assert statuses == [200, 200, 422, 200, 200, 200]


@pytest.mark.parametrize("cut", [20, 120, 200, 260, 275, 1000])
def test_an_offer_of_http_2_gets_its_prediction(running: ServerUnderTest, asgi_paths: list[str], cut: int) -> None:
    """``curl --http2`` sends an offer with its first request; wherever that is cut, it is a request like any other."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    sent = request("a good film", *offer) + request("bad")
    with connected(running.port) as (connection, stream):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(sent[:cut])
        connection.sendall(sent[cut:])
        statuses = [response.status for response, _ in read_responses(stream, 2)]
    assert (statuses, asgi_paths) == ([200, 200], [])


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def waiting(running: ServerUnderTest) -> int:
    return int(running.client.get("/health").json()["queue"]["waiting"])


def test_inputs_of_a_client_that_left_are_withdrawn(running: ServerUnderTest) -> None:
    """What still waits for its batch is taken out, and never recorded."""
    running.ledger.gate.clear()
    try:
        with connected(running.port) as (first, stream), connected(running.port) as (second, _):
            first.sendall(request("the first one"))
            until(lambda: waiting(running) == 0)
            second.sendall(request("nobody waits for this"))
            until(lambda: waiting(running) == 1)
            second.shutdown(socket.SHUT_RDWR)
            until(lambda: waiting(running) == 0)
            running.ledger.gate.set()
            assert read_responses(stream, 1)[0][0].status == 200
    finally:
        running.ledger.gate.set()
    texts = [item.input["text"] for item in running.ledger.predictions(project=MODEL, limit=5)]
    assert "nobody waits for this" not in texts


def test_half_a_request_leaves_nothing_behind(running: ServerUnderTest) -> None:
    """Half a request leaves nothing behind."""
    with connected(running.port) as (connection, _):
        connection.sendall(request("half of it")[:-4])
    assert running.client.post("/predict", json={"text": "good"}).status_code == 200


def test_responses_to_a_client_that_does_not_read_do_not_pile_up(running: ServerUnderTest) -> None:
    """The server stops reading from a client that reads no response, and continues when the client reads."""
    sent = request("good")
    with connected(running.port) as (connection, stream):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(2)
        count = 0
        try:
            while count < 100_000:
                connection.sendall(sent * 100)
                count += 100
        except TimeoutError:
            pass
        else:
            pytest.fail("a hundred thousand requests were taken from one who reads no answer")
        assert waiting(running) <= 1
        connection.settimeout(PATIENCE)
        assert all(response.status == 200 for response, _ in read_responses(stream, 50))


def test_shutdown_responds_to_what_was_accepted(
    start: Start, registry: FakeRegistry, text_package: Path, ledger: TestLedger, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that is stopped sends the response to the request it accepted, and ends the connection after it."""
    registry.point_alias("champion", registry.add(text_package))
    running = start()
    with connected(running.port) as (connection, stream):
        ledger.gate.clear()
        connection.sendall(request("the last one"))
        until(lambda: httpx.get(f"{running.url}/health").json()["queue"]["batches"] == 1)
        running.begin_to_stop(caplog)
        ledger.gate.set()
        ((response, _),) = read_responses(stream, 1)
        assert (response.status, response.getheader("connection")) == (200, "close")
        assert stream.read(1) == b""
    running.stop()
    assert ledger.inputs == ["the last one"]
