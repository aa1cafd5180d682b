"""POST /explain: why the model predicts what it predicts."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from tiltyard.errors import InputError
from tiltyard.jsonable import to_json_object
from tiltyard.scoring.explanations import MOST_CONTRIBUTIONS, Scale, explain
from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.http.schemas import ResponseModel, UnknownValue, list_unknown_values
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.requests import RequestHead
from tiltyard.serving.problem_details import FieldProblem, invalid_fields
from tiltyard.tasks import CONFIDENCE_LEVEL

MOST_SHOWN = 1000


class ContributionResponse(ResponseModel):
    """What one term or feature adds to the prediction."""

    name: str = Field(description="The term, or the feature.")
    value: Any = Field(description="The feature's value; for a term how often the text has it.")
    weight: float = Field(description="Above 0 it speaks for the label, or raises the number; below 0 the other way.")


class ExplanationResponse(ResponseModel):
    """Why the model predicts this; where the explanation is exact, baseline + weights + rest is total."""

    label: str = Field(description="The label that is explained, or the predicted number as text.")
    probability: float | None = Field(ge=0, le=1, description="Its probability; null of a number.")
    method: str = Field(description="How the weights were found: linear, tree paths or occlusion.")
    scale: Scale = Field(description="What the weights are measured in.")
    exact: bool = Field(description="Whether the weights add up to what the model computed.")
    baseline_name: str
    baseline: float = Field(description="What every input starts from.")
    total: float = Field(description="What the model gave this input, on the scale.")
    contributions: list[ContributionResponse] = Field(description="The greatest ones, by size.")
    rest: float = Field(description="The sum of the others.")
    not_judged: list[str] = Field(description="Features whose contribution could not be computed.")
    model_version: str = Field(description="Version that was explained.")
    warnings: list[UnknownValue] = Field(default=[], description="What training did not know of the input.")


def explain_routes(components: ServerComponents) -> APIRouter:
    """The route that explains predictions."""
    router = APIRouter(tags=["predictions"])

    @router.post("/explain", responses=problem_responses(400, 413, 415, 422, 500, 503), summary="Explain a prediction")
    async def explain_one(
        request: Request,
        top: Annotated[int, Query(ge=0, le=MOST_SHOWN, description="How many contributions.")] = MOST_CONTRIBUTIONS,
        label: Annotated[
            str | None, Query(description="One of the model's labels; default: the predicted one.")
        ] = None,
    ) -> ExplanationResponse:
        """Show what each term or feature adds to the prediction for one input. An explanation is not recorded."""
        version = components.models.require()
        head = RequestHead.from_headers(request.scope["headers"])
        with components.predictions.bodies.hold() as held:
            to_explain = await components.predictions.read_inputs(held, head, request.receive, many=False)
        if to_explain.confidence_level is not None:
            raise invalid_fields([FieldProblem(CONFIDENCE_LEVEL, "is for /predict; an explanation has no set")])
        found = await components.predictions.find_warnings(to_explain)
        warnings = [] if found is None else list_unknown_values(found)[0]
        calls, number = components.calls.slot("other"), version.info.version
        try:
            with calls.call(number, 1):
                [explanation] = await asyncio.to_thread(
                    explain, version.scorer, to_explain.inputs, most=top, label=label
                )
        except InputError as error:
            raise components.predictions.refuse(error, to_explain.name_field) from None
        return ExplanationResponse(**to_json_object(explanation), model_version=version.info.version, warnings=warnings)

    return router
