"""POST /predict and /predict/batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from tiltyard.errors import InputError
from tiltyard.ledger.records import Prediction
from tiltyard.serving.batcher import Ticket
from tiltyard.serving.openapi import problem_responses
from tiltyard.serving.requests import Shape, located, read_inputs
from tiltyard.serving.schemas import prediction_schema, predictions_schema
from tiltyard.serving.service import Service

_PROBLEMS = problem_responses(400, 413, 415, 422, 500, 503)


def predict_routes(service: Service) -> APIRouter:
    """The routes that answer inputs."""
    router = APIRouter(tags=["predictions"])
    one = prediction_schema(service.options.answer)

    @router.post("/predict", response_model=one, responses=_PROBLEMS, summary="Answer one input")
    async def predict(request: Request) -> Response:
        """Answer one input. The answer is in the ledger, durably, before it is given."""
        predictions = await _answer(service, request, many=False)
        return _json(_content(predictions[0], service.options.answer))

    @router.post(
        "/predict/batch",
        response_model=predictions_schema(one),
        responses=_PROBLEMS,
        summary="Answer many inputs",
    )
    async def predict_batch(request: Request) -> Response:
        """Answer a list of inputs, all of them or none. The answers are in the ledger before they are given."""
        predictions = await _answer(service, request, many=True)
        return _json({"predictions": [_content(item, service.options.answer) for item in predictions]})

    return router


async def _answer(service: Service, request: Request, *, many: bool) -> Sequence[Prediction]:
    task = service.live.require().manifest.task
    shape = Shape.of(task, service.options, many=many)
    inputs = await read_inputs(request, shape)
    ticket = service.batcher.submit(inputs)
    try:
        return await _unless_gone(request, ticket)
    except InputError as error:
        raise located(error, shape) from None


async def _unless_gone(request: Request, ticket: Ticket) -> Sequence[Prediction]:
    """The ticket's predictions; it is withdrawn when the client goes away.

    Raises:
        ClientDisconnect: nobody is there any more to hear the answer.
    """
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


def _content(prediction: Prediction, answer: str) -> dict[str, Any]:
    return {
        answer: prediction.label,
        "confidence": prediction.confidence,
        "probabilities": prediction.probabilities,
        "model_version": prediction.version,
        "prediction_id": prediction.id,
    }


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
