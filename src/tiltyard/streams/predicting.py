"""Messages are requests: read, checked, predicted and recorded by the data plane of the server, many at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tiltyard.errors import InputError, TiltyardError, UnavailableError
from tiltyard.ledger.codec import PredictionRow
from tiltyard.ledger.storable import to_micros
from tiltyard.serving.predict.batching.prediction_rows import prediction_json
from tiltyard.serving.predict.batching.ticket import Ticket
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.idempotency import IdempotentRequest, read_recorded
from tiltyard.serving.predict.inputs import PredictionRequest
from tiltyard.serving.predict.requests import JSON, RequestHead
from tiltyard.serving.predict.service import PredictionResult
from tiltyard.serving.problem_details import RequestError
from tiltyard.streams.handling import (
    CONTENT_TYPE,
    PREDICTION_KEY,
    ROUTE_KEY,
    Handled,
    Outcome,
    carry_headers,
    choose_prediction_key,
    find_key,
    lower_headers,
)
from tiltyard.streams.ports import Message, Outgoing

MOST_TRIES = 3
"""A message on which the model fails is tried so often, and is then a dead letter."""
TRY_SECONDS = 0.2

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Request:
    """A message as the request that it is."""

    message: Message
    head: RequestHead
    request: PredictionRequest
    once: IdempotentRequest


_Predicted = tuple[Sequence[PredictionRow], Any, Outcome] | TiltyardError


class StreamPredictor:
    """Predicts messages, each once, whatever comes again.

    The id of a prediction follows from what its message is recognised by. The ledger holds it once; a message whose
    prediction it has gets that one, of whichever version it was.

    Args:
        components: the parts of the server, whose ledger is the one that all consumers of the group share.
        stream: what tells the stream from others.
    """

    def __init__(self, components: ServerComponents, stream: str) -> None:
        self._ledger = components.ledger
        self._service = components.predictions
        self._field = components.options.answer
        self._model_name = components.models.served.model_name
        self._stream = f"stream:{stream}"

    async def handle(self, messages: Sequence[Message]) -> list[Handled]:
        """See ``Handler.handle``; the ledger records the predictions of as many messages at once as it can."""
        found: dict[int, Handled] = {}
        requests: dict[int, _Request] = {}
        for place, message in enumerate(messages):
            try:
                requests[place] = self._read(message)
            except (RequestError, InputError) as error:
                found[place] = Handled(message, "dead_letter", error=error)
        tries = 0
        while requests:
            # What comes twice in these messages waits: the second time, the ledger has it.
            turn = {one.once.name: place for place, one in reversed(requests.items())}
            now = {place: requests[place] for place in sorted(turn.values())}
            predictions = await self._predict(now)
            failed = [place for place, prediction in predictions.items() if prediction is None]
            for place, prediction in predictions.items():
                if prediction is not None:
                    found[place] = await self._conclude(requests.pop(place), prediction)
            if failed:
                tries += 1
                if tries == MOST_TRIES:
                    found.update((place, _give_up(requests.pop(place).message)) for place in failed)
                    tries = 0
                else:
                    await asyncio.sleep(TRY_SECONDS * tries)
        return [found[place] for place in range(len(messages))]

    def _read(self, message: Message) -> _Request:
        """The request that a message is.

        Raises:
            RequestError: it is not one.
            UnavailableError: there is no version to predict with.
        """
        headers = lower_headers(message)
        sent: Mapping[str, str] = {name: headers[name] for name in (CONTENT_TYPE, ROUTE_KEY) if name in headers}
        head = RequestHead(
            media_type=sent[CONTENT_TYPE].encode() if CONTENT_TYPE in sent else None,
            prediction_key=choose_prediction_key(message),
            route_key=sent[ROUTE_KEY].encode() if ROUTE_KEY in sent else None,
        )
        request = self._service.read_whole(head, message.body)
        key = find_key(message).encode("utf-8", "replace")
        return _Request(message, head, request, IdempotentRequest(self._model_name, self._stream, key, request.inputs))

    async def _predict(self, requests: Mapping[int, _Request]) -> dict[int, _Predicted | None]:
        """The predictions of some messages, or why there are none; None where the model failed on one.

        Raises:
            UnavailableError: a part of the server is away; what was recorded is found the next time.
        """
        found: dict[int, _Predicted | None] = {}
        known = await asyncio.to_thread(self._find_known, list(requests.values()))
        tickets: dict[int, Ticket] = {}
        away: UnavailableError | None = None
        for place, one in requests.items():
            if one.once.name in known:
                found[place] = known[one.once.name]
                continue
            try:
                tickets[place] = self._service.submit(one.head, one.request, one.once.ids)
            except RequestError as error:
                found[place] = error
            except UnavailableError as error:
                away = error
                break
        outcomes = await asyncio.gather(*(ticket.rows() for ticket in tickets.values()), return_exceptions=True)
        away = away or next((error for error in outcomes if isinstance(error, UnavailableError)), None)
        if away is not None:
            raise away
        predicted: dict[int, list[PredictionRow]] = {}
        for place, outcome in zip(tickets, outcomes, strict=True):
            if isinstance(outcome, InputError):
                found[place] = self._service.refuse(outcome, requests[place].request.name_field)
            elif isinstance(outcome, BaseException):
                log.error("The model failed on a message", exc_info=outcome)
                found[place] = None
            else:
                predicted[place] = outcome
        others = await asyncio.to_thread(
            self._find_others, {requests[place].once: predicted[place] for place in predicted}
        )
        for place, rows in predicted.items():
            found[place] = others.get(requests[place].once.name) or (rows, tickets[place].warnings, "predicted")
        return found

    def _find_known(self, requests: Sequence[_Request]) -> dict[bytes, _Predicted]:
        """Of requests whose predictions the ledger has, those; by the requests' names."""
        ids = [id_ for one in requests for id_ in one.once.ids]
        recorded = {found.id for found in self._ledger.find_predictions(ids=ids)}
        return {one.once.name: self._load(one.once) for one in requests if recorded.issuperset(one.once.ids)}

    def _find_others(self, predicted: Mapping[IdempotentRequest, Sequence[PredictionRow]]) -> dict[bytes, _Predicted]:
        """Of requests that another consumer predicted at the same time, and recorded first, its predictions."""
        ids = [id_ for once in predicted for id_ in once.ids]
        first = {found.id: to_micros(found.at) for found in self._ledger.find_predictions(ids=ids)} if ids else {}
        return {
            once.name: self._load(once)
            for once, rows in predicted.items()
            if any(first.get(row.id, row.at_us) != row.at_us for row in rows)
        }

    def _load(self, once: IdempotentRequest) -> _Predicted:
        try:
            return list(read_recorded(self._ledger, once)), None, "repeated"
        except RequestError as error:
            return error

    async def _conclude(self, one: _Request, prediction: _Predicted) -> Handled:
        """What is published about a message."""
        if isinstance(prediction, TiltyardError):
            return Handled(one.message, "dead_letter", error=prediction)
        rows, warnings, outcome = prediction
        if outcome == "repeated":
            warnings = await self._service.find_warnings_again(one.request)
        result = self._service.conclude(one.request, PredictionResult(rows, True, warnings))
        body = prediction_json(
            result.rows[0],
            self._field,
            warnings=() if result.warnings is None else result.warnings[0],
            labels=None if result.sets is None else result.sets[0],
        )
        id_ = result.rows[0].id
        headers = carry_headers(one.message) | {"Content-Type": JSON, "Idempotency-Key": id_}
        if one.head.prediction_key is not None and PREDICTION_KEY not in lower_headers(one.message):
            headers["X-Prediction-Key"] = one.head.prediction_key.decode()
        return Handled(one.message, outcome, Outgoing(body, id_, one.message.key, headers))


def _give_up(message: Message) -> Handled:
    error = TiltyardError(
        f"The model failed on the message, {MOST_TRIES} times.",
        next_step="Read the log of tiltyard stream, and send the message again once the model is repaired.",
        code="internal",
    )
    return Handled(message, "dead_letter", error=error)
