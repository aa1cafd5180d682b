"""POST /predict and /predict/batch, as the OpenAPI document shows them; the hot path answers them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.http.schemas import prediction_schema, predictions_schema
from tiltyard.serving.predict.endpoint import PredictEndpoint

_PROBLEMS = problem_responses(400, 413, 415, 422, 500, 503)


_ONCE = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "A key of the caller's making. The same request with the same key gets the same answer, "
            "which is recorded once, also after a restart; another request with the same key is refused (422). "
            "Keys are kept for 24 hours, answers as long as the ledger keeps them.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        },
        {
            "name": "X-Route-Key",
            "in": "header",
            "required": False,
            "description": "What names the caller, such as a user's number, where a challenger answers some of the "
            "callers: the same key is answered by the same version, in every worker.",
            "schema": {"type": "string"},
        },
    ]
}


def predict_routes(hot: PredictEndpoint, answer: str) -> APIRouter:
    """The routes that answer inputs.

    Args:
        hot: what answers.
        answer: name of the field that holds the predicted label.
    """
    router = APIRouter(tags=["predictions"])
    one = prediction_schema(answer)

    @router.post("/predict", response_model=one, responses=_PROBLEMS, summary="Answer one input", openapi_extra=_ONCE)
    async def predict(request: Request) -> Response:
        """Answer one input. The answer is in the ledger, durably, before it is given."""
        return await _pass_on(hot, request)

    @router.post(
        "/predict/batch",
        response_model=predictions_schema(one),
        responses=_PROBLEMS,
        summary="Answer many inputs",
        openapi_extra=_ONCE,
    )
    async def predict_batch(request: Request) -> Response:
        """Answer a list of inputs, all of them or none. The answers are in the ledger before they are given."""
        return await _pass_on(hot, request)

    return router


async def _pass_on(hot: PredictEndpoint, request: Request) -> Response:
    """For an application that has these routes without the hot path in front of it."""
    return Response(await hot.answer(request.scope, request.receive), media_type="application/json")
