"""A connection without a network: bytes in, bytes out, on an event loop that runs only when a test lets it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from tiltyard.serving.connections.connection import BoundedConnection
from tiltyard.serving.connections.limits import ConnectionLimits


class Transport(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = self.closed = self.aborted = self.paused = False

    def write(self, data: Any) -> None:
        if not self.closed and not self.ended:
            self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@dataclass
class Site:
    """An application behind ``BoundedConnection``.

    Attributes:
        loop: its event loop.
        config: uvicorn's configuration of it.
        state: uvicorn's state of the server.
        protocol: the class of its connections.
        requests: what reached the application: method, path, headers, body.
        gate: closed while no request gets its response.
    """

    loop: asyncio.AbstractEventLoop
    protocol: type[BoundedConnection]
    requests: list[tuple[str, str, list[tuple[bytes, bytes]], bytes]] = field(default_factory=list)
    state: ServerState = field(default_factory=ServerState)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        self.config = uvicorn.Config(
            self.respond,
            http=self.protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )

    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
        """Read a request, and send it back; at ``/early`` before it is read."""
        body, more = b"", scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        headers = list(scope["headers"])
        self.requests.append((scope["method"], scope["path"], headers, body))
        await self.gate.wait()
        content = json.dumps([scope["method"], scope["path"], len(headers), body.decode("latin-1")]).encode()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(content))]}
        )
        await send({"type": "http.response.body", "body": content})

    def connect(self) -> tuple[BoundedConnection, Transport]:
        """A new connection."""
        transport = Transport()
        connection = self.protocol(self.config, self.state, {}, self.loop)
        connection.connection_made(transport)
        return connection, transport

    def send(self, *pieces: bytes, rounds: int = 3) -> bytes:
        """What comes back for pieces on a new connection, which the client then leaves."""
        connection, transport = self.connect()
        self.feed(connection, transport, pieces, rounds)
        connection.connection_lost(None)
        self.turn()
        return transport.written

    def feed(self, connection: Any, transport: Transport, pieces: Iterable[bytes], rounds: int = 3) -> None:
        """Send pieces as a client does: one waits while the server does not read."""
        for piece in pieces:
            for _ in range(50):
                if not transport.paused:
                    break
                self.turn()
            if transport.closed:
                return
            connection.data_received(piece)
            self.turn(rounds)
        self.turn(8)

    def turn(self, count: int = 1) -> None:
        """Let the event loop run what is due."""
        for _ in range(count):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()


@contextlib.contextmanager
def site(**limits: Any) -> Iterator[Site]:
    """A site whose connections have these limits."""
    bounded = type("Bounded", (BoundedConnection,), {"limits": ConnectionLimits(**limits)})
    loop = asyncio.new_event_loop()
    try:
        yield Site(loop, bounded)
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
