"""POST /predict served from the connection itself, without a task and messages of ASGI for each request.

Those cost more than the prediction of a short text does. Whatever is not quite ordinary (a large or packed body, an
idempotency key, a prediction set, an error, a client that does not read) goes through ``PredictEndpoint`` as an ASGI
application, and gets the same response. A head that the connection's last request had is not parsed again
(``known_head``).
"""

from __future__ import annotations

import asyncio
from functools import cached_property, partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tiltyard.serving.auth.caller import CALLER
from tiltyard.serving.connections.connection import BoundedConnection
from tiltyard.serving.connections.known_head import KnownHead, learn_head
from tiltyard.serving.predict.bodies.budget import ALWAYS_TAKEN
from tiltyard.serving.predict.endpoint import FastPathApp

if TYPE_CHECKING:
    from starlette.types import Scope

    from tiltyard.ledger.codec import PredictionRow
    from tiltyard.serving.predict.batching.ticket import Ticket
    from tiltyard.serving.predict.endpoint import AdmittedHead, PredictEndpoint
    from tiltyard.serving.predict.requests import RequestHead

# A client whose heads all differ, as by a key of each request, gains nothing from keeping them.
_MOST_MISSES = 3


class FastPathProtocol(BoundedConnection):
    """uvicorn's HTTP over httptools, with a shortcut to the application's predict endpoint."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # uvicorn's logger decides, and another library may have connected it again.
        self.access_log = self.access_log and self.config.access_log
        app = self.app
        ordinary = not self.access_log and self.limit_concurrency is None and isinstance(app, FastPathApp)
        self._endpoint: PredictEndpoint | None = app.predict_endpoint if ordinary else None
        # The request whose body is awaited, and the one whose prediction is; a connection has one at a time.
        self._incomplete: tuple[RequestResponseCycle, AdmittedHead] | None = None
        self._ticket: Ticket | None = None
        # The head of the last request; what is being read, for as long as it may be a whole request with one.
        self._known: tuple[KnownHead, AdmittedHead] | None = None
        self._misses = 0
        self._piece = b""

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client: a request whose head is known at once, all else through the parser."""
        if self._idle and self._endpoint is not None and self._misses < _MOST_MISSES:
            known = self._known
            if known is not None:
                found = known[0].match(data)
                if found is not None:
                    self._misses = 0
                    self._serve_known(self._endpoint, *known, *found)
                    return
                self._misses += 1
                self._known = None
            self._piece = data
        super().data_received(data)
        self._piece = b""

    def on_body(self, body: bytes) -> None:
        """Take bytes of the body; a request with too many of them leaves the fast path."""
        super().on_body(body)
        incomplete = self._incomplete
        if incomplete is not None and len(incomplete[0].body) > ALWAYS_TAKEN:
            self._incomplete = None
            super()._start_asgi_task(incomplete[0], self.app)

    def on_message_complete(self) -> None:
        """Submit the request, which has arrived in full."""
        super().on_message_complete()
        if self._between and self._incomplete is not None and self._endpoint is not None:
            (cycle, admitted), self._incomplete = self._incomplete, None
            self._learn(cycle, admitted)
            self._submit(self._endpoint, cycle, admitted.head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Withdraw what waits: its client left."""
        super().connection_lost(exc)
        self._incomplete = None
        if self._ticket is not None:
            self._ticket.abandoned = True
            self._ticket.withdraw()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin to serve: the fast path's requests once they have arrived in full, the others now."""
        endpoint, scope = self._endpoint, cast("Scope", cycle.scope)
        if endpoint is None or not endpoint.fits_fast_path(scope) or cycle.waiting_for_100_continue:
            super()._start_asgi_task(cycle, app)
            return
        began = perf_counter()
        try:
            # Before its body is kept.
            admitted = endpoint.admit(scope)
        except Exception as error:  # noqa: BLE001 - every error becomes a problem document
            super()._start_asgi_task(cycle, partial(endpoint.send_error, error, began))
            return
        if admitted is None:
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._incomplete = cycle, admitted
        else:
            self._submit(endpoint, cycle, admitted.head)

    def _serve_known(
        self, endpoint: PredictEndpoint, known: KnownHead, admitted: AdmittedHead, digits: bytes, body: bytes
    ) -> None:
        """Serve a whole request, as the parser and ``_start_asgi_task`` would; nothing else was received."""
        scope: Any = known.scope.copy()
        headers = scope["headers"] = known.headers.copy()
        headers[known.place] = (b"content-length", digits)
        scope["state"] = self.app_state.copy()
        self._idle = self.expect_100_continue = False
        self.scope, self.headers, self._body_bytes = scope, headers, len(body)
        cycle = self.cycle = self._active = _WholeRequest(self, scope, body)
        began = perf_counter()
        try:
            endpoint.admit_again(admitted, scope)
        except Exception as error:  # noqa: BLE001 - every error becomes a problem document
            super()._start_asgi_task(cycle, partial(endpoint.send_error, error, began))
        else:
            self._submit(endpoint, cycle, admitted.head)

    def _learn(self, cycle: RequestResponseCycle, admitted: AdmittedHead) -> None:
        """Keep the head of a request that came in one piece, on a connection that stays."""
        piece, self._piece = self._piece, b""
        if piece and cycle.keep_alive and not self.pipeline and cycle.scope["http_version"] == "1.1":
            scope = {name: value for name, value in cycle.scope.items() if name != CALLER}
            known = learn_head(piece, scope)
            # The body is here whole: its length says nothing more.
            self._known = known and (known, admitted._replace(head=admitted.head._replace(length=None)))

    def _submit(self, endpoint: PredictEndpoint, cycle: RequestResponseCycle, head: RequestHead) -> None:
        began = perf_counter()
        try:
            ticket = endpoint.submit(head, cycle.body)
        except Exception as error:  # noqa: BLE001 - every error becomes a problem document
            super()._start_asgi_task(cycle, partial(endpoint.send_error, error, began))
            return
        if ticket is None:
            super()._start_asgi_task(cycle, self.app)
            return
        self._ticket = ticket
        ticket.future.add_done_callback(partial(self._respond, endpoint, cycle, ticket, began))

    def _respond(
        self,
        endpoint: PredictEndpoint,
        cycle: RequestResponseCycle,
        ticket: Ticket,
        began: float,
        done: asyncio.Future[list[PredictionRow]],
    ) -> None:
        self._ticket = None
        if cycle.disconnected or done.cancelled():
            # A cancelled ticket means that its client left; should it be there after all, it sees the connection end.
            self.transport.close()
            return
        scope: Any = cycle.scope
        try:
            body = endpoint.response_body(scope, ticket, done)
        except Exception as error:  # noqa: BLE001 - every error becomes a problem document
            super()._start_asgi_task(cycle, partial(endpoint.send_error, error, began))
            return
        if self.flow.write_paused:
            # The client does not read what it was sent before; the ASGI application waits until it does.
            super()._start_asgi_task(cycle, partial(endpoint.send_prediction, body, began))
            return
        self._write_response(endpoint, cycle, body)
        endpoint.count_prediction(scope, began)

    def _write_response(self, endpoint: PredictEndpoint, cycle: RequestResponseCycle, body: bytes) -> None:
        """Send the response in one piece, and leave the connection as uvicorn does after one."""
        head = endpoint.response_head(self.server_state.default_headers)
        end = b"" if cycle.keep_alive else b"connection: close\r\n"
        self.transport.write(b"%b%d\r\n%b\r\n%b" % (head, len(body), end, body))
        cycle.response_started = cycle.response_complete = True
        if type(cycle) is not _WholeRequest:
            cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()


class _WholeRequest(RequestResponseCycle):
    """uvicorn's side of a request that came whole, without what only an ASGI application uses.

    What does not change is an attribute of the class; the rest is taken from the connection when it is needed.
    """

    disconnected = response_started = response_complete = False
    more_body = waiting_for_100_continue = access_log = False
    keep_alive = True
    chunked_encoding = None
    expected_content_length = 0

    def __init__(self, connection: FastPathProtocol, scope: Any, body: Any) -> None:
        self.scope = scope
        self.body = body
        self.on_response = connection.on_response_complete
        self._connection = connection

    @cached_property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]
        """Tells an application that the body is there."""
        event = asyncio.Event()
        event.set()
        return event

    def __getattr__(self, name: str) -> Any:
        if name not in ("transport", "flow", "logger", "access_logger"):
            raise AttributeError(name)
        return getattr(self._connection, name)

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:  # type: ignore[override]
        """The headers of every response."""
        return self._connection.server_state.default_headers
