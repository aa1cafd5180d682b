"""/invocations, /ping and /version: MLflow's scoring server, as its clients and platforms ask it."""

from __future__ import annotations

from importlib.metadata import version as installed
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from tiltyard.serving.http.openapi import body_of, problem_responses
from tiltyard.serving.http.schemas import ResponseModel
from tiltyard.serving.predict.bodies import media_type, read_body
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.protocols.invocations import Invocation, parse_invocation_csv, parse_invocation_json
from tiltyard.serving.predict.requests import Shape
from tiltyard.serving.predict.service import predict_request

CSV = "text/csv"


class Invoked(ResponseModel):
    """The answers; MLflow's clients read the first field, and pass over the others."""

    predictions: list[str] = Field(description="The predicted label of each input, in their order.")
    probabilities: list[dict[str, float]] = Field(description="The probability of each label.")
    prediction_ids: list[str] = Field(description="Their ids in the ledger.")
    model_version: str = Field(description="Version that answered.")
    recorded: bool = Field(description="Whether they are in the ledger; false only under the policy 'available'.")


def invocation_routes(service: ServerComponents) -> APIRouter:
    """The routes of MLflow's scoring server."""
    router = APIRouter(tags=["MLflow"])
    body = body_of(Invocation)
    body["requestBody"]["content"][CSV] = {"schema": {"type": "string", "description": "The first line names columns."}}

    @router.post(
        "/invocations",
        responses=problem_responses(400, 413, 415, 422, 500, 503),
        openapi_extra=body,
        summary="Answer a data frame",
    )
    async def invocations(request: Request) -> Invoked:
        """Answer inputs as `mlflow models serve` takes them: `dataframe_split`, `dataframe_records`, `instances`,
        `inputs`, or CSV with a line of names."""
        current = service.live.require()
        kind = media_type(request, "application/json", CSV)
        content = await read_body(request, Shape.of(current.manifest.task, service.options, many=True).max_body)
        asked = (parse_invocation_csv if kind == CSV else parse_invocation_json)(content, current.columns)
        found = await predict_request(service, request, asked)
        predictions = found.predictions
        return Invoked(
            predictions=[item.label for item in predictions],
            probabilities=[dict(item.probabilities) for item in predictions],
            prediction_ids=[item.id for item in predictions],
            model_version=predictions[0].version,
            recorded=found.recorded,
        )

    absent: dict[int | str, dict[str, Any]] = {
        200: {"description": "A version can answer."},
        503: {"description": "None can."},
    }

    @router.get("/ping", response_class=Response, responses=absent, summary="Whether a version can answer")
    async def ping() -> Response:
        """Nothing but the status."""
        return Response(status_code=200 if service.live.current is not None else 503)

    @router.get(
        "/version",
        response_class=Response,
        responses={
            200: {"description": "MLflow's version.", "content": {"text/plain": {"schema": {"type": "string"}}}}
        },
        summary="The version of MLflow whose protocol this is",
    )
    async def version() -> Response:
        """The version of MLflow that is installed here, as MLflow's own server answers."""
        return Response(installed("mlflow"), media_type="text/plain")

    return router
