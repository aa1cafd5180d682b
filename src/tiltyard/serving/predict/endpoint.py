"""POST /predict and /predict/batch as a bare ASGI application, which requests reach before FastAPI sees them.

Routing, middleware, and objects for request and response cost FastAPI more than a validated, scored and recorded
prediction costs here. Errors are the same problem documents as everywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from tiltyard.errors import InputError, TiltyardError
from tiltyard.ledger.codec import PredictionRow
from tiltyard.serving.auth.caller import CALLER
from tiltyard.serving.auth.guard import Admission, Guard
from tiltyard.serving.compression import respond_compressed
from tiltyard.serving.predict.batching.prediction_rows import prediction_json, predictions_json
from tiltyard.serving.predict.batching.ticket import Ticket
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.requests import RequestHead
from tiltyard.serving.problem_details import from_error, from_unknown_error

PATHS = {"/predict": False, "/predict/batch": True}
"""The paths of the endpoint, and whether they take many inputs."""


class AdmittedHead(NamedTuple):
    """The head of a request that may be sent.

    Attributes:
        head: what of it decides how the request is read.
        admission: of its caller; None where nobody guards.
    """

    head: RequestHead
    admission: Admission | None


class PredictEndpoint:
    """Serves POST /predict and /predict/batch.

    Args:
        components: the parts of the server.
        guard: checks every request before its body is read; None lets all through.
        headers: what every response carries besides its own headers.
    """

    def __init__(
        self, components: ServerComponents, guard: Guard | None = None, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        self._batcher = components.batcher
        self._service = components.predictions
        self._label_field = components.options.answer
        self._instrumentation = components.instrumentation
        self._guard = guard
        self._headers = list(headers)
        self._fixed_headers = [(b"content-type", b"application/json"), *headers]
        self._dated_headers: Sequence[tuple[bytes, bytes]] | None = None
        self._response_head = b""

    @property
    def scoring_seconds(self) -> float:
        """How long the model call that is under way has taken so far; 0 between calls."""
        return self._batcher.scoring_seconds

    def __contains__(self, scope: Scope) -> bool:
        """Whether a request belongs to this endpoint."""
        return scope["type"] == "http" and scope["path"] in PATHS and scope["method"] == "POST"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; an error becomes its problem document."""
        began = perf_counter()
        try:
            if self._guard is not None and CALLER not in scope:
                scope[CALLER] = self._guard.check(scope)
            body = await self._predict(scope, receive)
        except ClientDisconnect:
            return  # the client is gone
        except Exception as error:  # noqa: BLE001 - every error becomes a problem document
            await self.send_error(error, began, scope, receive, send)
            return
        await self.send_prediction(body, began, scope, receive, send)

    async def send_prediction(self, body: bytes, began: float, scope: Scope, _receive: Receive, send: Send) -> None:
        """Send a prediction."""
        headers = [(b"content-length", b"%d" % len(body)), *self._fixed_headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self.count_prediction(scope, began)

    async def send_error(self, error: Exception, began: float, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the problem document of an error."""
        response = from_error(error) if isinstance(error, TiltyardError) else from_unknown_error(scope, error)
        response.raw_headers.extend(self._headers)
        await response(scope, receive, send)
        self._instrumentation.report_request(scope, scope["path"], response.status_code, began)

    def fits_fast_path(self, scope: Scope) -> bool:
        """Whether ``admit``, ``submit`` and ``response_body`` may serve a request: it has one input."""
        return bool(scope["path"] == "/predict" and scope["method"] == "POST")

    def admit(self, scope: Scope) -> AdmittedHead | None:
        """Check the head of a request, before its body is kept.

        Returns:
            None, and nothing was done, where the request has to be served by the ASGI application: a repeatable one
            is looked up first, and a packed body is unpacked with its limit.

        Raises:
            TiltyardError: its caller may not send it, or a header is wrong.
        """
        head = RequestHead.from_headers(scope["headers"])
        if head.idempotency_key is not None or head.content_encoding is not None:
            return None
        admission = None
        if self._guard is not None:
            admission = self._guard.admit(scope)
            scope[CALLER] = admission.caller
        return AdmittedHead(head, admission)

    def admit_again(self, admitted: AdmittedHead, scope: Scope) -> None:
        """Check a request whose head is that of one that was admitted; see ``admit``."""
        guard, admission = self._guard, admitted.admission
        if guard is not None and admission is not None:
            scope[CALLER] = admission.caller if guard.admit_again(admission) else guard.check(scope)

    def submit(self, head: RequestHead, body: bytes | bytearray) -> Ticket | None:
        """Submit the input of a request that ``admit`` let through, whose body has arrived in full.

        The future of its ticket has the outcome. None, and nothing was done, where the request has to be served by the
        ASGI application after all.

        Raises:
            TiltyardError: the request is wrong, or cannot be served now.
        """
        return self._service.submit_whole(head, body)

    def response_body(self, scope: Scope, ticket: Ticket, done: asyncio.Future[list[PredictionRow]]) -> bytes:
        """The JSON of the prediction of a request of one input.

        Raises:
            TiltyardError: there is no prediction.
        """
        try:
            rows = done.result()
        except InputError as error:
            raise self._service.refuse(error, self._service.shape(many=False).name_field) from None
        warnings = ticket.warnings
        self._service.finish(scope, rows, warnings)
        return prediction_json(
            rows[0], self._label_field, recorded=ticket.recorded, warnings=() if warnings is None else warnings[0]
        )

    def response_head(self, dated_headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The head of a response up to the number of its length, which follows.

        Args:
            dated_headers: uvicorn's own headers; another list every second.
        """
        if dated_headers is not self._dated_headers:
            lines = [b"%b: %b\r\n" % pair for pair in (*dated_headers, *self._fixed_headers)]
            self._response_head = b"HTTP/1.1 200 OK\r\n" + b"".join(lines) + b"content-length: "
            self._dated_headers = dated_headers
        return self._response_head

    def count_prediction(self, scope: Scope, began: float) -> None:
        """Count a request whose response was sent."""
        self._instrumentation.report_request(scope, scope["path"], 200, began)

    async def _predict(self, scope: Scope, receive: Receive) -> bytes:
        many = PATHS[scope["path"]]
        head = RequestHead.from_headers(scope["headers"])
        with self._service.bodies.hold() as held:
            request = await self._service.read_inputs(held, head, receive, many=many)
            result = await self._service.predict(scope, receive, head, request)
        if many:
            return predictions_json(
                result.rows, self._label_field, recorded=result.recorded, warnings=result.warnings, sets=result.sets
            )
        warnings = () if result.warnings is None else result.warnings[0]
        labels = None if result.sets is None else result.sets[0]
        return prediction_json(
            result.rows[0], self._label_field, recorded=result.recorded, warnings=warnings, labels=labels
        )


class FastPathApp(FastAPI):
    """A FastAPI application with the predict endpoint in front of it."""

    predict_endpoint: PredictEndpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass requests of the predict endpoint to it, and all others to FastAPI; large responses are packed."""
        endpoint = self.predict_endpoint
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
        elif endpoint is None or scope not in endpoint:
            await respond_compressed(super().__call__, scope, receive, send)
        elif endpoint.fits_fast_path(scope):
            # Its response is small.
            await endpoint(scope, receive, send)
        else:
            await respond_compressed(endpoint, scope, receive, send)
