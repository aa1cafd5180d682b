"""POST /explain: why an input is answered as it is."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from tiltyard.errors import InputError
from tiltyard.scoring.explanations import MOST_CONTRIBUTIONS, explain
from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.http.schemas import ResponseModel
from tiltyard.serving.predict.bodies import media_type, read_body
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.requests import Shape, field_location, parse_inputs

MOST_ASKED = 1000


class ContributionResponse(ResponseModel):
    """What one term or feature adds to the answer."""

    name: str = Field(description="The term, or the feature.")
    value: Any = Field(description="The feature's value; for a term how often the text has it.")
    weight: float = Field(description="Above 0 it speaks for the label, below 0 against it.")


class ExplanationResponse(ResponseModel):
    """Why an input is answered as it is; where it is exact, baseline + weights + rest is total."""

    label: str = Field(description="The label that is explained.")
    probability: float = Field(ge=0, le=1, description="Its probability.")
    method: str = Field(description="How the weights were found: linear, tree paths or occlusion.")
    scale: Literal["log-odds", "decision", "probability"] = Field(description="What the weights are measured in.")
    exact: bool = Field(description="Whether the weights add up to what the model computed.")
    baseline_name: str
    baseline: float = Field(description="What every input starts from.")
    total: float = Field(description="What the model gave this input, on the scale.")
    contributions: list[ContributionResponse] = Field(description="The greatest ones, by size.")
    rest: float = Field(description="The sum of the others.")
    not_judged: list[str] = Field(description="Features whose part could not be told.")
    model_version: str = Field(description="Version that was asked.")


def explain_routes(service: ServerComponents) -> APIRouter:
    """The route that explains answers."""
    router = APIRouter(tags=["predictions"])

    @router.post("/explain", responses=problem_responses(400, 413, 415, 422, 500, 503), summary="Explain an answer")
    async def explain_one(
        request: Request,
        top: Annotated[int, Query(ge=0, le=MOST_ASKED, description="How many contributions.")] = MOST_CONTRIBUTIONS,
        label: Annotated[str | None, Query(description="One of the model's labels; default: the answer.")] = None,
    ) -> ExplanationResponse:
        """Tell what each term or feature adds to the answer to one input. It is no prediction, and is not recorded."""
        version = service.live.require()
        shape = Shape.of(version.manifest.task, service.options, many=False)
        media_type(request, "application/json")
        inputs = parse_inputs(await read_body(request, shape.max_body), shape)
        try:
            [found] = await asyncio.to_thread(explain, version.scorer, inputs, most=top, label=label)
        except InputError as error:
            raise field_location(error, shape) from None
        return ExplanationResponse(**found.to_dict(), model_version=version.info.version)

    return router
