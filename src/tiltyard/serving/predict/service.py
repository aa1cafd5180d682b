"""Inputs that came by another protocol than /predict: answered by the same batcher, recorded in the same ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from tiltyard.errors import InputError
from tiltyard.ledger.records import Prediction
from tiltyard.scoring import InputProblem, problems_of
from tiltyard.serving.predict.batcher import Ticket
from tiltyard.serving.predict.bodies import invalid
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.requests import Head, Shape
from tiltyard.serving.problem_details import FieldProblem, RequestError
from tiltyard.serving.telemetry import PREDICTIONS

FieldNaming = Callable[[InputProblem], str]
"""Where in the caller's request the field of an input stands."""


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """What a request of another protocol asks.

    Attributes:
        inputs: each ``{"text": …}`` or the features by name; texts are not checked yet.
        place: where in the request a field of an input stands.
    """

    inputs: Sequence[Mapping[str, Any]]
    place: FieldNaming


@dataclass(frozen=True, slots=True)
class PredictionResult:
    """What was answered.

    Attributes:
        predictions: one for each input, in their order.
        recorded: whether they are in the ledger; under the policy ``available`` an answer is given without, too.
    """

    predictions: Sequence[Prediction]
    recorded: bool


async def predict_request(
    service: ServerComponents, request: Request, asked: PredictionRequest, *, champion: bool = False
) -> PredictionResult:
    """Answer what a request asks; its body has been read.

    Args:
        service: the parts of the server.
        request: the request.
        asked: what it asks.
        champion: whether no challenger may answer, because the version was named.

    Raises:
        RequestError: there are too many inputs or none, or one cannot be scored; the places are the request's own.
        UnavailableError: no version is there to answer, the queue is full, or the ledger cannot record.
        starlette.requests.ClientDisconnect: nobody is there any more to hear the answer.
    """
    check_inputs(service, asked)
    try:
        head = Head.of(request.scope["headers"])
        keys = head.keys(len(asked.inputs), many=True)
        if champion:
            ticket = service.batcher.submit(asked.inputs, keys)
        else:
            ticket = service.splitter.submit(head, asked.inputs, keys)
        predictions = await _unless_gone(request, ticket)
    except InputError as error:
        raise name_fields(error, asked.place) from None
    request.scope[PREDICTIONS] = [prediction.id for prediction in predictions]
    return PredictionResult(predictions, ticket.recorded)


def check_inputs(service: ServerComponents, asked: PredictionRequest) -> None:
    """Hold what is asked against the limits of the server.

    Raises:
        RequestError: there are too many inputs or none, or a text is none or too long.
    """
    shape = Shape.of(service.live.require().manifest.task, service.options, many=True)
    if len(asked.inputs) > shape.max_inputs:
        raise RequestError(
            f"The request holds {len(asked.inputs)} inputs, and at most {shape.max_inputs} are taken.",
            status=413,
            code="request.too-many",
            next_step=f"Send at most {shape.max_inputs} inputs at once.",
        )
    if not asked.inputs:
        raise invalid([FieldProblem("", "the request holds no input; send at least one")])
    if shape.task != "text-classification":
        return
    problems = [
        InputProblem(position, "text", message)
        for position, item in enumerate(asked.inputs)
        if (message := _wrong(item.get("text"), shape.max_text))
    ]
    if problems:
        raise invalid([FieldProblem(asked.place(problem), problem.message) for problem in problems])


async def _unless_gone(request: Request, ticket: Ticket) -> list[Prediction]:
    """The ticket's predictions; it is withdrawn when the client goes away."""
    # With the body read, the next message can only be that the client has gone.
    gone = asyncio.ensure_future(request.receive())
    gone.add_done_callback(lambda done: None if done.cancelled() else ticket.withdraw())
    try:
        return await ticket.result()
    except asyncio.CancelledError:
        if gone.done() and not gone.cancelled():
            raise ClientDisconnect from None
        raise
    finally:
        gone.cancel()


def name_fields(error: InputError, place: FieldNaming) -> RequestError | InputError:
    """A scorer's error in the words of the request."""
    problems = [FieldProblem(place(item), item.message) for item in problems_of(error)]
    return invalid(problems, code=error.code) if problems else error


def _wrong(text: object, longest: int) -> str:
    if not isinstance(text, str):
        return "has to be a text"
    return f"is {len(text)} characters long, and at most {longest} are taken" if len(text) > longest else ""
