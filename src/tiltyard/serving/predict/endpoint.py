"""The hot path: POST /predict and /predict/batch, answered before FastAPI sees them.

Routing, middleware, and objects for request and response cost FastAPI more than a validated, scored and recorded
prediction costs here. Errors are the same problem documents as everywhere, and /docs shows these routes like others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from tiltyard.errors import InputError, TiltyardError
from tiltyard.ledger.codec import PredictionRow
from tiltyard.project import Task
from tiltyard.serving.auth.guard import CALLER, Caller
from tiltyard.serving.predict.batcher import Ticket
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.idempotency import IdempotentRequest
from tiltyard.serving.predict.prediction_rows import answer_bytes, answers_bytes
from tiltyard.serving.predict.requests import Head, Shape, field_location, read_inputs, whole_inputs
from tiltyard.serving.problem_details import from_error, from_unknown
from tiltyard.serving.telemetry import PREDICTIONS

PATHS = {"/predict": False, "/predict/batch": True}
"""The paths that are answered here, and whether many inputs are asked there."""

# Watching for a client that goes away costs a task; most requests are answered sooner than this.
WATCH_SECONDS = 0.05

Check = Callable[[Scope], object]
"""Whether a request may be answered: raises the error to answer it with if not."""


class PredictEndpoint:
    """Answers POST /predict and /predict/batch as a bare ASGI application.

    Args:
        service: the parts of the server.
        check: asked about every request before its body is read; says who asks.
        headers: what every answer carries besides its own headers.
    """

    def __init__(
        self, service: ServerComponents, check: Check | None = None, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        self._service = service
        self._observer = service.observer
        self._check = check
        self._headers = list(headers)
        self._always = [(b"content-type", b"application/json"), *headers]
        self._shapes: dict[tuple[Task, bool], Shape] = {}
        self._watches = _Watches()
        self._dated: Sequence[tuple[bytes, bytes]] | None = None
        self._head = b""

    @property
    def scoring_seconds(self) -> float:
        """How long the model call that is under way has taken so far; 0 between calls."""
        return self._service.batcher.scoring_seconds

    def __contains__(self, scope: Scope) -> bool:
        """Whether a request is answered here."""
        return scope["type"] == "http" and scope["path"] in PATHS and scope["method"] == "POST"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; an error becomes its problem document."""
        began = perf_counter()
        try:
            if self._check is not None:
                scope[CALLER] = self._check(scope)
            body = await self.answer(scope, receive)
        except ClientDisconnect:
            return  # nobody is there to hear
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered in the words for it
            await self.refuse(error, began, scope, receive, send)
            return
        await self.give(body, began, scope, receive, send)

    async def give(self, body: bytes, began: float, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send an answer."""
        head = [(b"content-length", b"%d" % len(body)), *self._always]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})
        self.answered(scope, began)

    async def refuse(self, error: Exception, began: float, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the problem document of an error."""
        response = from_error(error) if isinstance(error, TiltyardError) else from_unknown(scope, error)
        response.raw_headers.extend(self._headers)
        await response(scope, receive, send)
        self._observer.answered(scope, scope["path"], response.status_code, began)

    def is_direct(self, scope: Scope) -> bool:
        """Whether a request may be answered by ``ask``, ``body`` and ``head``: it has one input."""
        return bool(scope["path"] == "/predict" and scope["method"] == "POST")

    def ask(self, scope: Scope, body: bytes | bytearray) -> Ticket | None:
        """Submit the input of a request whose body is all here; what it tells then comes from the ticket's future.

        Returns:
            None, and nothing was done, where the request has to be answered as an ASGI application answers it.

        Raises:
            TiltyardError: the request is wrong, or cannot be answered now.
        """
        head = Head.of(scope["headers"])
        if head.idempotency_key is not None:
            return None
        if self._check is not None:
            scope[CALLER] = self._check(scope)
        inputs = whole_inputs(head, body, self._single())
        return self._service.splitter.submit(head, inputs, head.keys(1, many=False))

    def body(self, scope: Scope, done: asyncio.Future[list[PredictionRow]], *, recorded: bool) -> bytes:
        """The JSON that answers a request of one input.

        Raises:
            TiltyardError: it has no answer.
        """
        try:
            rows = done.result()
        except InputError as error:
            raise field_location(error, self._single()) from None
        if self._observer.wants_predictions:
            scope[PREDICTIONS] = [row.id for row in rows]
        return answer_bytes(rows[0], self._service.options.answer, recorded=recorded)

    def head(self, dated: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The head of an answer up to its length, whose number follows.

        Args:
            dated: uvicorn's own headers; another list every second.
        """
        if dated is not self._dated:
            lines = [b"%b: %b\r\n" % pair for pair in (*dated, *self._always)]
            self._head = b"HTTP/1.1 200 OK\r\n" + b"".join(lines) + b"content-length: "
            self._dated = dated
        return self._head

    def answered(self, scope: Scope, began: float) -> None:
        """An answer was sent."""
        self._observer.answered(scope, scope["path"], 200, began)

    async def answer(self, scope: Scope, receive: Receive) -> bytes:
        """The JSON that answers a request; what it tells is in the ledger.

        Raises:
            TiltyardError: the request is wrong, or cannot be answered now.
            ClientDisconnect: the client went away.
        """
        service = self._service
        many = PATHS[scope["path"]]
        shape = self._shape(service.live.require().manifest.task, many=many)
        head = Head.of(scope["headers"])
        inputs = await read_inputs(head, receive, shape)
        keys = head.keys(len(inputs), many=many)
        try:
            if head.idempotency_key is None:
                rows, recorded = await self._rows(service.splitter.submit(head, inputs, keys), receive)
            else:
                asked = self._asked(scope, head.idempotency_key, inputs)
                rows, recorded = await self._once(
                    asked, inputs, lambda: service.splitter.submit(head, inputs, keys, asked.ids), receive
                )
        except InputError as error:
            raise field_location(error, shape) from None
        if self._observer.wants_predictions:
            scope[PREDICTIONS] = [row.id for row in rows]
        field = service.options.answer
        return (
            answers_bytes(rows, field, recorded=recorded) if many else answer_bytes(rows[0], field, recorded=recorded)
        )

    async def _rows(self, ticket: Ticket, receive: Receive) -> tuple[Sequence[PredictionRow], bool]:
        """The rows of a ticket and whether they were recorded; it is withdrawn when the client goes away."""
        self._watches.add(ticket, receive)
        try:
            return await ticket.rows(), ticket.recorded
        except asyncio.CancelledError:
            if ticket.unheard:
                raise ClientDisconnect from None
            raise

    def _asked(self, scope: Scope, key: bytes, inputs: Sequence[Mapping[str, Any]]) -> IdempotentRequest:
        caller = scope.get(CALLER)
        own = caller.key.id if isinstance(caller, Caller) and caller.key else ""
        return IdempotentRequest(self._service.live.served.model, own, key, inputs)

    async def _once(
        self,
        asked: IdempotentRequest,
        inputs: Sequence[Mapping[str, Any]],
        submit: Callable[[], Ticket],
        receive: Receive,
    ) -> tuple[Sequence[PredictionRow], bool]:
        """The rows of a request with a key: those of the first time it was asked."""
        once = self._service.once
        try:
            found = await once.answered(asked)
            if len(found) == len(inputs):
                return list(found.values()), True
            try:
                rows, recorded = await self._rows(submit(), receive)
            except BaseException:
                await once.forget(asked)
                raise
            return [found.get(position, row) for position, row in enumerate(rows)], recorded
        finally:
            once.done(asked)

    def _single(self) -> Shape:
        return self._shape(self._service.live.require().manifest.task, many=False)

    def _shape(self, task: Task, *, many: bool) -> Shape:
        shape = self._shapes.get((task, many))
        if shape is None:
            shape = self._shapes[task, many] = Shape.of(task, self._service.options, many=many)
        return shape


class FastPathApp(FastAPI):
    """A FastAPI application with a hot path in front of it."""

    hot: PredictEndpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer on the hot path what belongs there, and everything else as FastAPI does."""
        if self.hot is not None and scope in self.hot:
            await self.hot(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class _Watches:
    """Withdraws tickets whose clients go away; looks only after those that wait long.

    One timer serves all of them: one for each request would cost as much as reading it.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, Ticket, Receive]] = deque()
        self._armed = False
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, ticket: Ticket, receive: Receive) -> None:
        """Watch over a ticket, should it wait long."""
        self._waiting.append((perf_counter() + WATCH_SECONDS, ticket, receive))
        if not self._armed:
            self._armed = True
            asyncio.get_running_loop().call_later(WATCH_SECONDS, self._look)

    def _look(self) -> None:
        now = perf_counter()
        while self._waiting and (self._waiting[0][0] <= now or self._waiting[0][1].done):
            _, ticket, receive = self._waiting.popleft()
            if not ticket.done:
                task = asyncio.ensure_future(_withdraw_when_gone(ticket, receive))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        self._armed = bool(self._waiting)
        if self._armed:
            asyncio.get_running_loop().call_later(WATCH_SECONDS, self._look)


async def _withdraw_when_gone(ticket: Ticket, receive: Receive) -> None:
    # With the body read, the next message can only be that the client has gone; or, once it is answered, an
    # end that means nothing any more.
    message: Mapping[str, Any] = await receive()
    if message["type"] == "http.disconnect" and not ticket.done:
        ticket.unheard = True
        ticket.withdraw()
