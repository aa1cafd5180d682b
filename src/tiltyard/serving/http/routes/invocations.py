"""/invocations, /ping and /version: MLflow's scoring server, as its clients and platforms call it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from tiltyard.ledger.records import Prediction
from tiltyard.libraries import installed_version
from tiltyard.serving.http.openapi import body_of, problem_responses
from tiltyard.serving.http.schemas import ResponseModel, UnknownValue, list_unknown_values
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.protocols.invocations import Invocation, parse_invocation_csv, parse_invocation_json
from tiltyard.serving.predict.requests import JSON, RequestHead, check_media_type

CSV = "text/csv"


class InvocationResponse(ResponseModel):
    """The predictions; MLflow's clients read the first field, and ignore the others."""

    predictions: list[str | float] = Field(
        description="The predicted label, or the predicted number, of each input, in their order."
    )
    probabilities: list[dict[str, float]] | None = Field(
        default=None, description="The probability of each label; absent for numbers."
    )
    intervals: list[tuple[float | None, float | None] | None] | None = Field(
        default=None, description="The two ends of each number's interval, null where one is open; absent for classes."
    )
    prediction_sets: list[list[str]] | None = Field(
        default=None, description="The labels in each prediction set, the likeliest first; there on request."
    )
    prediction_ids: list[str] = Field(description="Their ids in the ledger.")
    model_version: str = Field(description="Version that predicted.")
    recorded: bool = Field(description="Whether they are in the ledger; false only under the policy 'available'.")
    warnings: list[list[UnknownValue]] | None = Field(
        default=None, description="What training did not know of each input; absent where there is nothing to say."
    )


def _describe_predictions(predictions: Sequence[Prediction]) -> dict[str, Any]:
    if predictions[0].confidence is None:
        numbers = [float(item.label) for item in predictions]
        return {"predictions": numbers, "intervals": [item.interval for item in predictions]}
    return {
        "predictions": [item.label for item in predictions],
        "probabilities": [dict(item.probabilities) for item in predictions],
    }


def invocation_routes(components: ServerComponents) -> APIRouter:
    """The routes of MLflow's scoring server."""
    router = APIRouter(tags=["MLflow"])
    body = body_of(Invocation)
    body["requestBody"]["content"][CSV] = {"schema": {"type": "string", "description": "The first line names columns."}}

    @router.post(
        "/invocations",
        responses=problem_responses(400, 413, 415, 422, 500, 503),
        openapi_extra=body,
        response_model_exclude_unset=True,
        summary="Predict a data frame",
    )
    async def invocations(request: Request) -> InvocationResponse:
        """Predict inputs as `mlflow models serve` takes them: `dataframe_split`, `dataframe_records`, `instances`,
        `inputs`, or CSV with a line of names."""
        head = RequestHead.from_headers(request.scope["headers"])
        with components.predictions.refusals:
            current = components.models.require()
            media_type = check_media_type(head, JSON, CSV)
            limit = components.predictions.shape(many=True).value_limit
        columns, separator = current.known_columns, current.manifest.separator
        with components.predictions.bodies.hold() as held:
            inputs = await components.predictions.read(
                held,
                head,
                request.receive,
                (lambda body: parse_invocation_csv(body, columns, limit, separator))
                if media_type == CSV
                else (lambda body: parse_invocation_json(body, columns, limit)),
            )
            result = await components.predictions.predict(request.scope, request.receive, head, inputs)
        predictions = result.predictions
        return InvocationResponse(
            **_describe_predictions(predictions),
            **({} if result.sets is None else {"prediction_sets": [list(labels) for labels in result.sets]}),
            prediction_ids=[item.id for item in predictions],
            model_version=predictions[0].version,
            recorded=result.recorded,
            **({} if result.warnings is None else {"warnings": list_unknown_values(result.warnings)}),
        )

    ping_responses: dict[int | str, dict[str, Any]] = {
        200: {"description": "A version can predict."},
        503: {"description": "No version can."},
    }

    @router.get("/ping", response_class=Response, responses=ping_responses, summary="Whether a version can predict")
    async def ping() -> Response:
        """The status alone."""
        return Response(status_code=200 if components.models.current is not None else 503)

    @router.get(
        "/version",
        response_class=Response,
        responses={
            200: {"description": "MLflow's version.", "content": {"text/plain": {"schema": {"type": "string"}}}}
        },
        summary="The version of MLflow whose protocol this is",
    )
    async def version() -> Response:
        """The version of MLflow that is installed here, as MLflow's own server reports it."""
        return Response(installed_version("mlflow"), media_type="text/plain")

    return router
