"""Answering POST /predict from the connection itself, without a task and messages of ASGI for each request.

Those cost more than a short text's answer does. Whatever is not quite ordinary (a large body, an idempotency key, an
error, a client that does not read) goes the usual way, through ``PredictEndpoint`` as an ASGI application, and is
answered in the same words.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from tiltyard.serving.predict.endpoint import FastPathApp
from tiltyard.serving.predict.header_limit import HeaderLimitProtocol

if TYPE_CHECKING:
    from starlette.types import Scope
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from tiltyard.ledger.codec import PredictionRow
    from tiltyard.serving.predict.batcher import Ticket
    from tiltyard.serving.predict.endpoint import PredictEndpoint

# A body that is longer is taken piece by piece: from here on uvicorn tells the client to wait.
LARGEST_BODY = 64 * 1024


class FastPathProtocol(HeaderLimitProtocol):
    """uvicorn's HTTP over httptools, which answers what the application's hot path can answer at once."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # uvicorn asks its logger, which another library may have connected again.
        self.access_log = self.access_log and self.config.access_log
        app = self.app
        ordinary = not self.access_log and self.limit_concurrency is None
        self._hot: PredictEndpoint | None = app.hot if ordinary and isinstance(app, FastPathApp) else None
        # The request whose body is awaited, and the one whose answer is; a connection has one at a time.
        self._held: RequestResponseCycle | None = None
        self._ticket: Ticket | None = None

    def on_body(self, body: bytes) -> None:
        """Bytes of the body; with too many of them the request goes the usual way."""
        super().on_body(body)
        held = self._held
        if held is not None and len(held.body) > LARGEST_BODY:
            self._held = None
            super()._start_asgi_task(held, self.app)

    def on_message_complete(self) -> None:
        """The request is all here."""
        super().on_message_complete()
        held, self._held = self._held, None
        if held is not None and self._hot is not None:
            self._answer(self._hot, held)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for an answer any more."""
        super().connection_lost(exc)
        self._held = None
        if self._ticket is not None:
            self._ticket.unheard = True
            self._ticket.withdraw()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin to answer: of the hot path's requests once they are all here, of the others now."""
        hot, scope = self._hot, cast("Scope", cycle.scope)
        if hot is None or not hot.is_direct(scope) or cycle.waiting_for_100_continue:
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._held = cycle
        else:
            self._answer(hot, cycle)

    def _answer(self, hot: PredictEndpoint, cycle: RequestResponseCycle) -> None:
        began = perf_counter()
        try:
            ticket = hot.ask(cast("Scope", cycle.scope), cycle.body)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered in the words for it
            super()._start_asgi_task(cycle, partial(hot.refuse, error, began))
            return
        if ticket is None:
            super()._start_asgi_task(cycle, self.app)
            return
        self._ticket = ticket
        ticket.future.add_done_callback(partial(self._give, hot, cycle, ticket, began))

    def _give(
        self,
        hot: PredictEndpoint,
        cycle: RequestResponseCycle,
        ticket: Ticket,
        began: float,
        done: asyncio.Future[list[PredictionRow]],
    ) -> None:
        self._ticket = None
        if cycle.disconnected or done.cancelled():
            # Cancelled is what its client left behind. Should that client be there after all, it is told by the end.
            self.transport.close()
            return
        scope = cast("Scope", cycle.scope)
        try:
            body = hot.body(scope, done, recorded=ticket.recorded)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered in the words for it
            super()._start_asgi_task(cycle, partial(hot.refuse, error, began))
            return
        if self.flow.write_paused:
            # It does not read what it was sent before; the usual way waits until it does.
            super()._start_asgi_task(cycle, partial(hot.give, body, began))
            return
        self._write(hot, cycle, body)
        hot.answered(scope, began)

    def _write(self, hot: PredictEndpoint, cycle: RequestResponseCycle, body: bytes) -> None:
        """Send the answer in one piece, and go on as uvicorn does after one."""
        head = hot.head(self.server_state.default_headers)
        end = b"" if cycle.keep_alive else b"connection: close\r\n"
        self.transport.write(b"%b%d\r\n%b\r\n%b" % (head, len(body), end, body))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
