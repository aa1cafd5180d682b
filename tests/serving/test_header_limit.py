from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator

import pytest

from tests.serving.interfaces import ServerUnderTest, run_server


def send(running: ServerUnderTest, *pieces: bytes) -> bytes:
    """What comes back for raw bytes until the server ends the connection."""
    found = b""
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        while piece := connection.recv(65536):
            found += piece
    return found


START = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /feedback HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerUnderTest]:
    with run_server(tmp_path_factory.mktemp("bounded"), None) as found:
        yield found


@pytest.mark.parametrize("filler", [b"X-Filler: " + b"a" * 16_000, b"X-Filler: abcdef\r\n" * 900])
def test_the_head_of_a_request_is_bounded(running: ServerUnderTest, filler: bytes) -> None:
    """A head without an end gets 431 and is cut off, whether it is one header or many."""
    found = b""
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
        connection.sendall(START)
        # Sent piece by piece, until the server has had enough; a reset by then says so, too.
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(filler)
                ready, _, _ = select.select([connection], [], [], 0.01)
                if ready:
                    found = connection.recv(65536)
                    break
    assert found.startswith(b"HTTP/1.1 431 ")
    assert running.client.get("/v2/health/live").status_code == 200


@pytest.mark.parametrize("size", [10, 100_000, 200_000, 1_000_000])
def test_bodies_do_not_count_as_heads(running: ServerUnderTest, size: int) -> None:
    """A body of any size that its route takes is read, however it arrives, and so is the request behind it."""
    request = POST % size + b" " * size
    last = START + b"Connection: close\r\n\r\n"
    for pieces in ([request + last], [POST % size, b" " * size, last], [request, request + last]):
        responses = send(running, *pieces)
        assert responses.count(b"HTTP/1.1 400 ") == b"".join(pieces).count(b"POST ")
        assert responses.count(b"HTTP/1.1 503 ") == 1
        assert b"HTTP/1.1 431 " not in responses
