"""The one data plane for predictions: every protocol reads its inputs here, predicts here, and waits here.

``/predict``, ``/predict/batch``, V2, ``/invocations`` and the fast path differ in how a body is decoded and how a
response is written, and in nothing else.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from tiltyard.errors import InputError, TiltyardError
from tiltyard.ledger.codec import PredictionRow, decode_prediction
from tiltyard.ledger.records import Prediction
from tiltyard.project import ServingSection
from tiltyard.registry.package.manifest import Manifest
from tiltyard.scoring import UnknownPolicy, Warnings, join_warnings, score_inputs
from tiltyard.serving.auth.caller import CALLER, Caller
from tiltyard.serving.model.manager import ModelManager
from tiltyard.serving.predict.batching.batcher import Batcher
from tiltyard.serving.predict.batching.client_watch import ClientWatch
from tiltyard.serving.predict.batching.outcomes import name_refusal
from tiltyard.serving.predict.batching.prediction_rows import LabelSets, make_sets
from tiltyard.serving.predict.batching.ticket import Ticket
from tiltyard.serving.predict.bodies.budget import HeldBody
from tiltyard.serving.predict.bodies.reader import Body, BodyReader, too_large
from tiltyard.serving.predict.idempotency import Idempotency, IdempotentRequest
from tiltyard.serving.predict.inputs import (
    FieldNaming,
    InputShape,
    PredictionRequest,
    check_inputs,
    check_sets,
    decode_inputs,
    name_fields,
)
from tiltyard.serving.predict.requests import RequestHead, check_media_type
from tiltyard.serving.predict.traffic_split import TrafficSplit
from tiltyard.serving.problem_details import RequestError
from tiltyard.serving.telemetry import PREDICTIONS, Instrumentation

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class PredictionResult:
    """The predictions of one request.

    Attributes:
        rows: the predictions as they are stored, one for each input, in their order.
        recorded: whether they are in the ledger; under the policy ``available`` predictions are sent without, too.
        warnings: those of each input; None for none.
        sets: the labels in the prediction set of each input, the likeliest first; None where the request wants none.
    """

    rows: Sequence[PredictionRow]
    recorded: bool
    warnings: Warnings | None = None
    sets: LabelSets | None = None

    @property
    def predictions(self) -> list[Prediction]:
        """The rows, decoded."""
        return [decode_prediction(row) for row in self.rows]


class PredictionService:
    """Reads inputs, predicts with champion or challenger, and records, for every protocol.

    Args:
        models: the versions in service.
        batcher: scores and records.
        traffic_split: submits inputs for champion or challenger.
        idempotency: finds the predictions of a request that was repeated.
        options: the project's ``[serving]``.
        instrumentation: decides whether a request's predictions are named in its scope.
    """

    def __init__(
        self,
        models: ModelManager,
        batcher: Batcher,
        traffic_split: TrafficSplit,
        idempotency: Idempotency,
        options: ServingSection,
        instrumentation: Instrumentation,
    ) -> None:
        self._models = models
        self._batcher = batcher
        self._traffic_split = traffic_split
        self._idempotency = idempotency
        self._options = options
        self._instrumentation = instrumentation
        self._shapes: dict[bool, InputShape] = {}
        self._manifest: Manifest | None = None
        self._watch = ClientWatch()
        self.bodies = BodyReader(options.bodies_mib * 1024 * 1024)
        self.refusals = RefusalCount(models, instrumentation)

    def shape(self, *, many: bool) -> InputShape:
        """What the version in service takes.

        Raises:
            UnavailableError: there is no version.
        """
        manifest = self._models.require().manifest
        if manifest is not self._manifest:
            columns = len(manifest.columns) + len(manifest.other_columns)
            self._shapes = {
                kind: InputShape.from_options(manifest.task, self._options, many=kind, columns=columns)
                for kind in (False, True)
            }
            self._manifest = manifest
        return self._shapes[many]

    async def read_inputs(
        self, held: HeldBody, head: RequestHead, receive: Receive, *, many: bool
    ) -> PredictionRequest:
        """Read a body of Tiltyard's own JSON.

        Raises:
            RequestError: the body is too large, not JSON, or not what the route takes.
            UnavailableError: there is no version to predict with, or no room for the body.
            starlette.requests.ClientDisconnect: the client went away.
        """
        with self.refusals:
            shape = self.shape(many=many)
            check_media_type(head)
            inputs, level = await self.bodies.read(
                held, head, receive, shape.max_body, lambda body: decode_inputs(body, shape)
            )
            return PredictionRequest(inputs, shape.name_field, many, checked=True, confidence_level=level)

    async def read(
        self, held: HeldBody, head: RequestHead, receive: Receive, parse: Callable[[Body], Parsed]
    ) -> Parsed:
        """Read a body of another protocol, up to the size of a list of inputs.

        A value or column that refuses it is counted. See ``BodyReader.read`` for arguments, and ``read_inputs`` for
        the errors.
        """
        try:
            with self.refusals:
                return await self.bodies.read(held, head, receive, self.shape(many=True).max_body, parse)
        except RequestError as error:
            self._instrumentation.metrics.count_refused(error.refused)
            raise

    def submit_whole(self, head: RequestHead, body: bytes | bytearray) -> Ticket | None:
        """Submit the input of a request whose plain body has arrived in full; the fast path of ``predict``.

        None, and nothing was done, where it asks for more than a prediction.

        Raises:
            RequestError: the body is too large, not JSON, or not what the route takes.
            UnavailableError: there is no version to predict with, or the queue is full.
        """
        try:
            inputs, level = self._decode_whole(head, body)
            if level is not None:
                return None
            keys = () if head.prediction_key is None else head.prediction_keys(1, many=False)
            return self._traffic_split.submit(head, inputs, keys)
        except TiltyardError as error:
            self.refusals.count(error)
            raise

    def read_whole(self, head: RequestHead, body: bytes) -> PredictionRequest:
        """Read a plain body of one input that has arrived in full, as a message of a stream has.

        Raises:
            RequestError: the body is too large, not JSON, or not what the route takes.
            UnavailableError: there is no version to predict with.
        """
        with self.refusals:
            inputs, level = self._decode_whole(head, body)
            return PredictionRequest(inputs, self.shape(many=False).name_field, False, True, confidence_level=level)

    def _decode_whole(
        self, head: RequestHead, body: bytes | bytearray
    ) -> tuple[Sequence[Mapping[str, Any]], float | None]:
        shape = self.shape(many=False)
        check_media_type(head)
        if len(body) > shape.max_body:
            raise too_large(shape.max_body)
        return decode_inputs(body, shape)

    def submit(self, head: RequestHead, request: PredictionRequest, ids: Sequence[str]) -> Ticket:
        """Submit the inputs of a request that has been read; ``conclude`` makes its result of the ticket's rows.

        Args:
            head: its headers.
            request: its inputs.
            ids: the ids of the predictions; empty for new ones.

        Raises:
            RequestError: an input is wrong; fields are named as the request has them.
            UnavailableError: there is no version to predict with, or the queue is full.
        """
        return self._submit(head, request, self._check(head, request), ids)

    def _check(self, head: RequestHead, request: PredictionRequest) -> Sequence[str]:
        """The caller's own keys of the inputs of a request that may be predicted."""
        with self.refusals:
            check_inputs(request, self.shape(many=True))
            keys = head.prediction_keys(len(request.inputs), many=request.many)
            if request.confidence_level is not None:
                check_sets(self._models.require(), request.confidence_level)
            return keys

    def _submit(
        self,
        head: RequestHead,
        request: PredictionRequest,
        keys: Sequence[str],
        ids: Sequence[str],
        *,
        champion_only: bool = False,
    ) -> Ticket:
        with self.refusals:
            return self._traffic_split.submit(
                head,
                request.inputs,
                keys,
                ids,
                champion_only=champion_only,
                ignores_columns=request.ignores_columns,
            )

    def conclude(self, request: PredictionRequest, result: PredictionResult) -> PredictionResult:
        """The result with the request's own warnings and the prediction sets that it asks for; warnings are counted."""
        if request.warnings is not None:
            result = replace(result, warnings=join_warnings(request.warnings, result.warnings))
        if request.confidence_level is not None:
            versions = (self._models.current, self._models.current_challenger())
            result = replace(result, sets=make_sets(result.rows, versions, request.confidence_level))
        if result.warnings is not None:
            self._instrumentation.metrics.count_unknown(result.warnings)
        return result

    def finish(self, scope: Scope, rows: Sequence[PredictionRow], warnings: Warnings | None = None) -> None:
        """Count the warnings of a request, and note its predictions where traces or the access log need them."""
        if warnings is not None:
            self._instrumentation.metrics.count_unknown(warnings)
        self._note_predictions(scope, rows)

    def _note_predictions(self, scope: Scope, rows: Sequence[PredictionRow]) -> None:
        if self._instrumentation.wants_predictions:
            scope[PREDICTIONS] = [row.id for row in rows]

    async def predict(
        self,
        scope: Scope,
        receive: Receive,
        head: RequestHead,
        request: PredictionRequest,
        *,
        champion_only: bool = False,
    ) -> PredictionResult:
        """Predict the inputs of a request, whose body has been read; the predictions are recorded first.

        Args:
            scope: the request's ASGI scope.
            receive: its ASGI channel, which announces that the client left.
            head: its headers.
            request: its inputs.
            champion_only: whether the challenger must not predict, because the caller named the version.

        Raises:
            RequestError: an input is wrong; fields are named as the request has them.
            UnavailableError: there is no version to predict with, the queue is full, or the ledger cannot record.
            starlette.requests.ClientDisconnect: the client went away.
        """
        keys = self._check(head, request)

        def submit(ids: Sequence[str] = ()) -> Ticket:
            return self._submit(head, request, keys, ids, champion_only=champion_only)

        try:
            if head.idempotency_key is None:
                result = await self._wait(submit(), receive)
            else:
                result = await self._predict_once(_caller_id(scope), head.idempotency_key, request, submit, receive)
        except InputError as error:
            raise self.refuse(error, request.name_field) from None
        result = self.conclude(request, result)
        self._note_predictions(scope, result.rows)
        return result

    def refuse(self, error: InputError, name_field: FieldNaming) -> RequestError | InputError:
        """A scorer's error with the fields named as the request has them, and counted by column and reason."""
        named = name_fields(error, name_field)
        if isinstance(named, RequestError):
            self._instrumentation.metrics.count_refused(named.refused)
        return named

    async def find_warnings(self, request: PredictionRequest) -> Warnings | None:
        """The warnings of inputs that the version in service can score, counted; nothing is recorded.

        Raises:
            RequestError: an input cannot be scored, or is refused for what training did not know.
            UnavailableError: there is no version.
        """
        found = await self.check_scorable(request)
        if found is not None:
            self._instrumentation.metrics.count_unknown(found)
        return found

    async def check_scorable(self, request: PredictionRequest) -> Warnings | None:
        """Like ``find_warnings``, without counting: so that many inputs are predicted all of them or none."""
        try:
            return await self._score_again(request)
        except InputError as error:
            raise self.refuse(error, request.name_field) from None

    async def _score_again(self, request: PredictionRequest) -> Warnings | None:
        policy = UnknownPolicy.from_options(self._options)
        if request.ignores_columns:
            policy = replace(policy, unknown_columns="warn")
        scores = await asyncio.to_thread(score_inputs, self._models.require().scorer, request.inputs, policy)
        return scores.warnings

    async def _wait(self, ticket: Ticket, receive: Receive) -> PredictionResult:
        """Wait for a ticket, which is withdrawn when the client leaves."""
        self._watch.add(ticket, receive)
        try:
            rows = await ticket.rows()
        except asyncio.CancelledError:
            if ticket.abandoned:
                raise ClientDisconnect from None
            raise
        return PredictionResult(rows, ticket.recorded, ticket.warnings)

    async def _predict_once(
        self,
        caller_id: str,
        key: bytes,
        request: PredictionRequest,
        submit: Callable[[Sequence[str]], Ticket],
        receive: Receive,
    ) -> PredictionResult:
        """Predict a request with an idempotency key: its first predictions, if it was sent before."""
        idempotent = IdempotentRequest(self._models.served.model_name, caller_id, key, request.inputs)
        try:
            with self.refusals:
                found = await self._idempotency.find(idempotent)
            if len(found) == len(request.inputs):
                return PredictionResult(list(found.values()), True, await self.find_warnings_again(request))
            try:
                result = await self._wait(submit(idempotent.ids), receive)
            except BaseException:
                await self._idempotency.forget(idempotent)
                raise
            rows = [found.get(position, row) for position, row in enumerate(result.rows)]
            return replace(result, rows=rows)
        finally:
            self._idempotency.release(idempotent)

    async def find_warnings_again(self, request: PredictionRequest) -> Warnings | None:
        """The warnings of a request that was repeated, which the ledger does not keep."""
        try:
            return await self._score_again(replace(request, ignores_columns=True))
        except TiltyardError:
            return None  # another version is in service by now


class RefusalCount:
    """Counts a request that is turned away within ``with``, before the model gets it; one object serves all of them."""

    def __init__(self, models: ModelManager, instrumentation: Instrumentation) -> None:
        self._models, self._instrumentation = models, instrumentation

    def __enter__(self) -> None:
        """Nothing is set up: thousands of requests a second come by."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, TiltyardError):
            self.count(error)

    def count(self, error: TiltyardError) -> None:
        """Count a request that is turned away with this error."""
        current = self._models.current
        version, route = ("", "") if current is None else (current.info.version, current.alias)
        self._instrumentation.metrics.count_outcomes(Counter({(version, route, name_refusal(error)): 1}))


def _caller_id(scope: Scope) -> str:
    caller = scope.get(CALLER)
    return caller.key.id if isinstance(caller, Caller) and caller.key else ""
