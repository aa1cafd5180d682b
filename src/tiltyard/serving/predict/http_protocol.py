"""Chooses the HTTP protocol class for uvicorn: with the fast path where it fits the installed uvicorn, else without.

The fast path uses names that uvicorn keeps private, so another version of uvicorn may lack them or use them otherwise.
A request through the protocol class, without a network, shows at the start whether it works.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from uvicorn.server import ServerState

from tiltyard.serving.auth.cross_site import is_loopback
from tiltyard.serving.connections.unfit import unfit_error
from tiltyard.serving.predict.endpoint import AdmittedHead, FastPathApp, PredictEndpoint
from tiltyard.serving.predict.requests import RequestHead

if TYPE_CHECKING:
    from tiltyard.serving.predict.fast_path import FastPathProtocol

# uvicorn's implementation in pure Python, which bounds the heads of requests by itself.
PLAIN_PROTOCOL = "h11"

log = logging.getLogger(__name__)


def choose_http_protocol(host: str) -> type[asyncio.Protocol] | str:
    """The protocol class with the fast path, or the name of a plain one of uvicorn's, which is logged as a warning.

    The plain one has none of the bounds of ``serving.connections``: it serves this machine alone.

    Args:
        host: the address that the server listens on.

    Raises:
        UsageError: others than this machine reach the address, and only the plain one works.
    """
    try:
        from tiltyard.serving.predict.fast_path import FastPathProtocol  # noqa: PLC0415 - may fail

        _check_fast_path(FastPathProtocol)
    except Exception as error:  # noqa: BLE001 - whatever another uvicorn does not have or does otherwise
        if not is_loopback(host):
            raise unfit_error(host, error) from None
        log.warning(
            "The fast path of POST /predict does not fit uvicorn %s (%s: %s). The server starts without it, and is "
            "slower, and nothing bounds the connections of programs on this machine; install the version of uvicorn "
            "that tiltyard requires.",
            uvicorn.__version__,
            type(error).__name__,
            error,
        )
        return PLAIN_PROTOCOL
    return FastPathProtocol


def _check_fast_path(protocol_class: type[FastPathProtocol]) -> None:
    """Send a request through the protocol class; raise an error where the response is not the expected one."""
    errors: list[Any] = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, context: errors.append(context.get("exception") or context["message"]))
    state = ServerState()
    try:
        app = FastPathApp(openapi_url=None)
        endpoint = _ProbeEndpoint(loop)
        app.predict_endpoint = cast("PredictEndpoint", endpoint)
        config = uvicorn.Config(
            app,
            http=protocol_class,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )
        transport = _ProbeTransport()
        protocol = protocol_class(config, state, {}, loop)
        protocol.connection_made(transport)
        # The head of the second and the third one is known; the third one is left to ASGI.
        for whole in (_WHOLE, _WHOLE, _WHOLE.replace(_BODY, _REFUSED)):
            protocol.data_received(whole)
            for _ in range(_ROUNDS):
                loop.run_until_complete(asyncio.sleep(0))
        protocol.data_received(_HEAD)
        protocol.data_received(_BODY)
        loop.run_until_complete(asyncio.sleep(0))
        protocol.connection_lost(None)
    finally:
        loop.close()
    if errors:
        raise RuntimeError(errors[0])
    if (endpoint.bodies, transport.written, transport.closed, state.total_requests) != (
        [_BODY] * 3,
        2 * _RESPONSE.replace(b"connection: close\r\n", b"") + _REFUSAL + _RESPONSE,
        True,
        4,
    ):
        raise RuntimeError("a request does not reach the fast path, or its response does not leave it")


_BODY = b'{"text":"probe"}'
_HEAD = b"POST /predict HTTP/1.1\r\nhost: probe\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(_BODY)
_WHOLE = _HEAD.replace(b"connection: close\r\n", b"") + _BODY
_REFUSED = b"not this one now"
_ROUNDS = 3  # of the loop until an application has responded
_REFUSAL = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


class _ProbeTransport(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Reading is up to the probe."""

    def resume_reading(self) -> None:
        """Reading is up to the probe."""


class _ProbeTicket:
    """A ticket that has its outcome."""

    abandoned = False
    recorded = True

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future = loop.create_future()
        self.future.set_result([])

    def withdraw(self) -> None:
        """Nothing waits."""


class _ProbeEndpoint:
    """What the protocol class needs of a ``PredictEndpoint``, without a model."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.bodies: list[bytes] = []

    def __contains__(self, _scope: Any) -> bool:
        return True

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """What a request gets that leaves the fast path."""
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def fits_fast_path(self, scope: Any) -> bool:
        return bool(scope["method"] == "POST" and scope["path"] == "/predict")

    def admit(self, scope: Any) -> AdmittedHead:
        return AdmittedHead(RequestHead.from_headers(scope["headers"]), None)

    def admit_again(self, _admitted: AdmittedHead, _scope: Any) -> None:
        """Every caller may send a probe."""

    def submit(self, _head: Any, body: bytes | bytearray) -> _ProbeTicket | None:
        if body == _REFUSED:
            return None
        self.bodies.append(bytes(body))
        return _ProbeTicket(self._loop)

    def response_body(self, _scope: Any, ticket: _ProbeTicket, done: asyncio.Future[Any]) -> bytes:
        return b"{}" if ticket.recorded and done.result() == [] else b""

    def response_head(self, _dated_headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        return b"HTTP/1.1 200 OK\r\ncontent-length: "

    def count_prediction(self, _scope: Any, _began: float) -> None:
        """A probe is not counted."""
