from __future__ import annotations

import socket
from pathlib import Path

from tests.serving.interfaces import Site, site
from tiltyard.serving.security.protocol import LARGEST_HEAD


def send(running: Site, *pieces: bytes) -> bytes:
    """What comes back for raw bytes until the server ends the connection."""
    found = b""
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        while piece := connection.recv(65536):
            found += piece
    return found


def test_the_head_of_a_request_is_bounded(tmp_path: Path) -> None:
    """A head without an end is answered with 431 and cut off; a large body is not, and the request after it is read."""
    start = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    with site(tmp_path, None) as running:
        for filler in (b"X-Filler: " + b"a" * LARGEST_HEAD, b"X-Filler: abcdef\r\n" * (LARGEST_HEAD // 18)):
            assert send(running, start, filler).startswith(b"HTTP/1.1 431 ")
        body = b" " * (8 * LARGEST_HEAD)  # its last part is larger than a head may be
        posted = b"POST /feedback HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
        answers = send(running, posted + b"%d\r\n\r\n" % len(body), body, start + b"Connection: close\r\n\r\n")
        assert answers.startswith(b"HTTP/1.1 400 ")
        assert b"HTTP/1.1 503 " in answers
        assert running.client.get("/v2/health/live").status_code == 200
