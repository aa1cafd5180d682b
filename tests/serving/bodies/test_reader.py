"""Bodies are received within the process's budget, and costly ones are decoded in threads."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from tests.serving.fake_registry import MODEL
from tests.serving.interfaces import ServerUnderTest, run_server
from tests.serving.scraping import value
from tiltyard.errors import UnavailableError
from tiltyard.serving.predict.bodies.budget import ALWAYS_TAKEN, BodyBudget
from tiltyard.serving.predict.bodies.reader import BodyReader
from tiltyard.serving.predict.requests import RequestHead
from tiltyard.serving.problem_details import RequestError

MIB = 1024 * 1024
PATIENCE = 20.0
PLAIN = RequestHead()


@pytest.fixture
def reader() -> Iterator[BodyReader]:
    found = BodyReader(4 * MIB)
    yield found
    found.close()


def channel(*pieces: bytes) -> Receive:
    """An ASGI channel on which a body comes in pieces."""
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False

    async def receive() -> Message:
        return messages.pop(0)

    return receive


async def read_length(reader: BodyReader, *pieces: bytes, head: RequestHead = PLAIN, limit: int = MIB) -> int:
    """How long a body is that came in pieces."""
    with reader.hold() as held:
        return await reader.read(held, head, channel(*pieces), limit, len)


@pytest.mark.parametrize(
    ("body", "head"),
    [
        (b"x" * (ALWAYS_TAKEN + 1), RequestHead()),
        (gzip.compress(b"x"), RequestHead(content_encoding=b"gzip")),
    ],
    ids=["large", "packed"],
)
def test_a_costly_body_is_decoded_while_the_loop_runs(reader: BodyReader, body: bytes, head: RequestHead) -> None:
    """The event loop continues before the decoding of a large or packed body has ended."""
    probed = threading.Event()

    async def probe() -> None:
        probed.set()

    async def main() -> bool:
        with reader.hold() as held:
            reading = asyncio.create_task(
                reader.read(held, head, channel(body), MIB, lambda _body: probed.wait(PATIENCE))
            )
            await asyncio.sleep(0)
            await probe()
            return await reading

    assert asyncio.run(main())


def test_a_small_body_is_decoded_at_once(reader: BodyReader) -> None:
    """A small plain body does not wait for a thread."""
    threads: list[threading.Thread] = []

    async def main() -> None:
        with reader.hold() as held:
            await reader.read(
                held, RequestHead(), channel(b"{}"), MIB, lambda _body: threads.append(threading.current_thread())
            )

    asyncio.run(main())
    assert threads == [threading.current_thread()]


def test_bodies_share_a_budget_and_give_it_back(reader: BodyReader) -> None:
    """A body that does not fit besides those that are held is 503, and fits when they are gone."""
    body = b"x" * (3 * MIB)

    async def main() -> None:
        with reader.hold() as held:
            await reader.read(held, RequestHead(), channel(body), 4 * MIB, len)
            with pytest.raises(UnavailableError) as caught:
                await read_length(reader, body, limit=4 * MIB)
            assert caught.value.code == "server.bodies"
            assert caught.value.fields["retry_after"] == 1
            assert await read_length(reader, b"x" * ALWAYS_TAKEN) == ALWAYS_TAKEN
        assert await read_length(reader, body, limit=4 * MIB) == len(body)

    asyncio.run(main())
    assert reader.budget.held == 0


def test_the_declared_length_is_taken_before_the_body_comes(reader: BodyReader) -> None:
    """A body that will not fit is refused at its head, so that bodies which came in part do not block each other."""

    async def main() -> None:
        with pytest.raises(UnavailableError):
            await read_length(reader, b"x", head=RequestHead(length=b"%d" % (5 * MIB)), limit=6 * MIB)

    asyncio.run(main())
    assert reader.budget.held == 0


def test_what_is_unpacked_counts(reader: BodyReader) -> None:
    """A small packed body that unpacks to more than is left is 503."""
    packed = gzip.compress(bytes(5 * MIB))

    async def main() -> None:
        with pytest.raises(UnavailableError):
            await read_length(reader, packed, head=RequestHead(content_encoding=b"gzip"), limit=6 * MIB)

    asyncio.run(main())
    assert reader.budget.held == 0


@pytest.mark.parametrize("size", [MIB + 1, 3 * MIB])
def test_a_body_beyond_the_limit_of_its_route_is_refused(reader: BodyReader, size: int) -> None:
    """Its length is refused at the head, or as soon as more has come."""

    async def main() -> None:
        for head in (RequestHead(), RequestHead(length=b"%d" % size)):
            with pytest.raises(RequestError, match="larger than 1048576 bytes"):
                await read_length(reader, *[b"x" * 1000] * (size // 1000 + 1), head=head)

    asyncio.run(main())
    assert reader.budget.held == 0


def test_a_client_that_leaves_gives_back_what_it_held(reader: BodyReader) -> None:
    """A body whose client left before its end is forgotten."""

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def main() -> None:
        with pytest.raises(ClientDisconnect), reader.hold() as held:
            await reader.read(held, RequestHead(length=b"%d" % MIB), receive, MIB, len)

    asyncio.run(main())
    assert reader.budget.held == 0


def test_the_budget_counts_in_all_threads() -> None:
    """Threads that take and give back at once leave the sum as it is."""
    budget = BodyBudget(10**9)

    def work() -> None:
        for _ in range(2000):
            with budget.hold() as held:
                held.reserve(ALWAYS_TAKEN + 7)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.held == 0


V2 = f"/v2/models/{MODEL}/infer"
LARGE, MEDIUM = b" " * 100_000, 190_000


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, text_package: Path) -> Iterator[ServerUnderTest]:
    """A server whose budget is taken: by bodies that were announced and do not arrive."""
    with (
        run_server(tmp_path_factory.mktemp("full"), text_package, bodies_mib=128) as running,
        contextlib.ExitStack() as sockets,
    ):
        for length in (64 * MIB, 64 * MIB, MEDIUM):
            connection = sockets.enter_context(socket.create_connection(("127.0.0.1", running.port)))
            connection.sendall(
                b"POST /predict/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n{" % length
            )
        deadline = time.monotonic() + PATIENCE
        while running.client.post("/predict/batch", content=LARGE).status_code != 503:
            assert time.monotonic() < deadline
        yield running


@pytest.mark.parametrize(
    "path", ["/predict", "/predict/batch", "/explain", "/feedback", "/predict/file", "/invocations", V2]
)
def test_every_route_reads_within_the_budget(path: str, full: ServerUnderTest) -> None:
    """Where the process holds as much as it may, a large body is 503 on each route, and a small one is taken."""
    headers = {"Content-Type": "application/json"}
    response = full.client.post(path, content=LARGE, headers=headers)
    assert (response.status_code, response.json()["code"]) == (503, "server.bodies")
    assert response.headers["retry-after"] == "1"
    assert full.client.post(path, content=b"{", headers=headers).status_code in (400, 422)


def test_a_probe_does_not_wait_for_costly_bodies_of_other_connections(tmp_path: Path, text_package: Path) -> None:
    """A probe behind costly bodies of other connections gets its response before they are all unpacked.

    What `/metrics` says of their requests shows the order: it was written before the last of them ended.
    """
    packed = gzip.compress(b"[" + b" " * (24 * MIB))
    assert len(packed) < 65536, "each is read at once, so that on the event loop all would come before the probe"
    head = (
        b"POST /predict/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    )
    bodies = 12
    with (
        run_server(tmp_path, text_package, bodies_mib=4096) as running,
        contextlib.ExitStack() as sockets,
    ):
        running.client.post("/predict/batch", json={"texts": ["a warm film"]})
        connections = [
            sockets.enter_context(socket.create_connection(("127.0.0.1", running.port))) for _ in range(bodies + 1)
        ]
        probe, *costly = connections
        probe.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n")
        for connection in costly:
            connection.settimeout(120)
            connection.sendall(head + packed)
        probe.sendall(b"\r\n")
        probe.settimeout(120)
        said = b"".join(iter(lambda: probe.recv(65536), b""))
        for connection in costly:
            assert connection.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 422")
    _, _, text = said.partition(b"\r\n\r\n")
    done = value(text.decode(), "tiltyard_requests_total", route="/predict/batch")
    assert 1 <= done < bodies + 1
