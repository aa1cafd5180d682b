"""A shared port is one's own, and free again at once."""

from __future__ import annotations

import socket

import pytest

from tiltyard.errors import UnavailableError
from tiltyard.serving.process.sockets import bind, reserve


def test_a_shared_port_is_free_again_after_connections_that_the_server_closed() -> None:
    """A server of several workers that was killed can start again at once, and another one is noticed meanwhile."""
    holder = reserve("127.0.0.1", 0)
    port = holder.getsockname()[1]
    worker = bind("127.0.0.1", port, shared=True)
    with socket.create_connection(("127.0.0.1", port)) as client:
        accepted, _ = worker.accept()
        accepted.close()  # first: on this side the connection lingers for a minute
        assert client.recv(1) == b""
    with pytest.raises(UnavailableError, match="in use"):
        reserve("127.0.0.1", port)
    worker.close()
    with pytest.raises(UnavailableError, match="in use"):
        reserve("127.0.0.1", port)
    holder.close()
    with reserve("127.0.0.1", port), bind("127.0.0.1", port, shared=True):
        pass
