"""A head that a connection's last request had is taken as known: what comes of it is what the parser makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import uvicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from tiltyard.serving.predict.endpoint import AdmittedHead, FastPathApp
from tiltyard.serving.predict.fast_path import FastPathProtocol
from tiltyard.serving.predict.requests import RequestHead


class Transport(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """Reading is up to the test."""

    def resume_reading(self) -> None:
        """Reading is up to the test."""


class Ticket:
    """A ticket that has its outcome."""

    abandoned = False
    recorded = True

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future = loop.create_future()
        self.future.set_result([])

    def withdraw(self) -> None:
        """Nothing waits."""


class Endpoint:
    """Notes what reaches it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.taken: list[tuple[dict[str, Any], RequestHead, bytes]] = []
        self._scope: dict[str, Any] = {}

    def __contains__(self, _scope: Any) -> bool:
        return True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        body = b"".join(message.get("body", b"") for message in messages)
        self.taken.append((dict(scope), RequestHead.from_headers(scope["headers"]), body))
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def fits_fast_path(self, scope: Any) -> bool:
        return bool(scope["method"] == "POST" and scope["path"] == "/predict")

    def admit(self, scope: Any) -> AdmittedHead | None:
        head = RequestHead.from_headers(scope["headers"])
        if head.idempotency_key is not None:
            return None
        self._scope = dict(scope)
        return AdmittedHead(head, None)

    def admit_again(self, _admitted: AdmittedHead, scope: Any) -> None:
        self._scope = dict(scope)

    def submit(self, head: RequestHead, body: bytes | bytearray) -> Ticket | None:
        if body.startswith(b"x"):
            return None
        self.taken.append((self._scope, head._replace(length=None), bytes(body)))
        return Ticket(self._loop)

    def response_body(self, _scope: Any, _ticket: Ticket, _done: asyncio.Future[Any]) -> bytes:
        return b"{}"

    def response_head(self, _dated: Sequence[tuple[bytes, bytes]]) -> bytes:
        return b"HTTP/1.1 200 OK\r\ncontent-length: "

    def count_prediction(self, _scope: Any, _began: float) -> None:
        """Nothing is counted."""


class Server:
    """An application without a network, whose connections are protocol objects."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.endpoint = Endpoint(self.loop)
        app = FastPathApp(openapi_url=None)
        app.predict_endpoint = self.endpoint  # type: ignore[assignment]
        self._config = uvicorn.Config(
            app,
            http=FastPathProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )

    def connect(self) -> FastPathProtocol:
        protocol = FastPathProtocol(self._config, ServerState(), {}, self.loop)
        protocol.connection_made(Transport())
        return protocol

    def send(self, protocol: FastPathProtocol, *pieces: bytes) -> tuple[bytes, bool, list[Any]]:
        """The response to bytes, whether the connection ended with it, and what reached the application."""
        transport: Any = protocol.transport
        transport.written = b""
        self.endpoint.taken.clear()
        for piece in pieces:
            protocol.data_received(piece)
        for _ in range(9):
            self.loop.run_until_complete(asyncio.sleep(0))
        return transport.written, transport.closed, list(self.endpoint.taken)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.loop.close()


def request(*lines: bytes, body: bytes = b"{}", length: bytes | None = None, target: bytes = b"/predict") -> bytes:
    """The bytes of a request; by default with the length that its body has."""
    stated = b"Content-Length: %b" % (b"%d" % len(body) if length is None else length)
    return b"\r\n".join([b"POST %b HTTP/1.1" % target, *lines, stated, b"", b""]) + body


def test_the_second_request_of_a_client_is_not_parsed(server: Server) -> None:
    """The parser gets the first request of a connection, and none that differs from it in length and body alone."""
    protocol = server.connect()
    fed: list[bytes] = []
    parser: Any = protocol.parser

    class Parser:
        def feed_data(self, data: bytes) -> None:
            fed.append(data)
            parser.feed_data(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(parser, name)

    protocol.parser = Parser()  # type: ignore[assignment]
    sent = [request(b"Host: a", body=b'{"text":"%b"}' % (b"x" * count)) for count in (3, 3, 400, 1)]
    for one in sent:
        _, _, taken = server.send(protocol, one)
        assert [body for _, _, body in taken] == [one.partition(b"\r\n\r\n")[2]]
    assert fed == sent[:1]


LINES = st.lists(
    st.sampled_from(
        [
            b"X-Prediction-Key: a",
            b"X-Prediction-Key: b",
            b"x-route-key:c",
            b"Accept: */*",
            b"Accept:  */* ",
            b"Connection: close",
            b"Connection: keep-alive",
            b"Connection: Upgrade\r\nUpgrade: h2c",
            b"Expect: 100-continue",
            b"Idempotency-Key: k",
            b"Transfer-Encoding: chunked",
            b"content-length: 2",
            b"X-Text: Content-Length: 2",
            b"Host: b",
        ]
    ),
    max_size=2,
)
REQUESTS = st.builds(
    lambda lines, body, length, target: request(b"Host: a", *lines, body=body, length=length, target=target),
    LINES,
    st.sampled_from(
        [b"", b"{}", b"{ }", b"\r\n\r\n", b'{"text":"good"}', b"x" * 70_000, b"xyz", b"GET / HTTP/1.1\r\n\r\n"]
    ),
    st.none() | st.sampled_from([b"2", b"02", b"+2", b" 2 ", b"0", b"3", b"15", b"2\t", b"\x322", b"2, 2", b"99999"]),
    st.sampled_from([b"/predict", b"/predict", b"/predict?a=b", b"http://c/predict", b"/other"]),
)


@settings(deadline=None, max_examples=400)
@given(sent=st.lists(REQUESTS, min_size=2, max_size=5), repeats=st.integers(1, 3))
@example(sent=[request(b"Host: a"), request(b"Host: a", body=b"\r\n\r\n")], repeats=2)
@example(sent=[request(b"Host: a"), request(b"Host: a", length=b"02")], repeats=1)
def test_a_known_head_is_what_the_parser_makes_of_it(server: Server, sent: list[bytes], repeats: int) -> None:
    """Requests of one connection get what each gets on a connection by itself: response, scope, head and body."""
    protocol = server.connect()
    for one in [one for one in sent for _ in range(repeats)]:
        fresh = server.connect()
        # Two pieces: such a request is never taken as a whole one.
        alone = server.send(fresh, one[:1], one[1:])
        if protocol.transport.is_closing() or not protocol._idle:
            protocol = server.connect()
        together = server.send(protocol, one)
        assert together == alone


@settings(deadline=None, max_examples=100)
@given(cut=st.integers(1, 120), body=st.sampled_from([b"{}", b'{"text":"good"}']))
def test_a_known_request_that_is_cut_or_followed_is_parsed(server: Server, cut: int, body: bytes) -> None:
    """Half a request, and two in one piece, get what they get without a request before them."""
    one = request(b"Host: a", body=body)
    for pieces in ((one[:cut], one[cut:]), (one + one,), (one + one[:cut], one[cut:])):
        found = []
        for before in ((), (request(b"Host: a"),)):
            protocol = server.connect()
            for whole in before:
                server.send(protocol, whole)
            found.append(server.send(protocol, *[piece for piece in pieces if piece]))
        assert found[0] == found[1]
