"""POST /predict/file: predict the rows of a file, and get the file back with the predictions."""

from __future__ import annotations

import asyncio
import importlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from tiltyard.ledger.records import Prediction
from tiltyard.scoring import InputProblem, Warnings
from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.http.schemas import ResponseModel
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.inputs import PredictionRequest
from tiltyard.serving.predict.requests import RequestHead, refuse_form

MOST_BYTES = 8 * 1024 * 1024

_CONTENT: dict[str, Any] = {
    "text/csv": {"schema": {"type": "string"}},
    "application/json": {"schema": {"$ref": "#/components/schemas/ScoredFile"}},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class ScoredFile(ResponseModel):
    """A file with its predictions, and a summary of them."""

    name: str = Field(description="A name for the file with the predictions.")
    rows: int
    by_label: dict[str, int] = Field(description="Number of rows of each predicted label.")
    mean_confidence: float | None = Field(description="Null for predicted numbers.")
    mean_probabilities: dict[str, float]
    confidence_counts: list[int] = Field(description="Rows by confidence, in ten bins from 0 to 1.")
    warnings: int = Field(description="Rows that hold something that training did not know.")
    content: str = Field(description="The file with the predictions, as CSV.")


def file_routes(components: ServerComponents) -> APIRouter:
    """The route of files."""
    router = APIRouter(tags=["predictions"])

    @router.post(
        "/predict/file",
        response_model=ScoredFile,
        responses={
            200: {"description": "The file with the predictions.", "content": _CONTENT},
            **problem_responses(400, 413, 415, 422, 500, 503),
        },
        openapi_extra=_BODY,
        summary="Predict the rows of a file",
    )
    async def predict_file(
        request: Request,
        name: Annotated[
            str, Query(max_length=255, description="The file's name; its ending says its format.")
        ] = "rows.csv",
        output: Annotated[Literal["csv", "json"], Query(description="The scored file, or a summary with it.")] = "csv",
        confidence_level: Annotated[
            float | None,
            Query(gt=0, lt=1, description="Adds the prediction set of each row, which holds the true label so often."),
        ] = None,
    ) -> Response:
        """Predict the rows of a file of up to 8 MiB and 10,000 rows, all or none.

        CSV, TSV, JSON, JSON Lines, Parquet and Excel, also compressed (`.gz`, `.zip`, …; at most 64 MiB unpacked).

        The body is the file: `curl --data-binary @rows.csv 'localhost:8000/predict/file?name=rows.csv'`. The response
        is its rows with their predictions as CSV; with `confidence_level=0.9` the column `prediction_set` holds the
        labels of each row's set as JSON, the likeliest first. Columns that the model does not know are passed over. The
        headers `X-Prediction-Key` and `Idempotency-Key` are not read: each row gets the id of its prediction.
        """
        current = components.models.require()
        head = RequestHead.from_headers(request.scope["headers"])
        refuse_form(head)
        # pandas and pyarrow take seconds to import, and most servers get no file.
        uploads = await asyncio.to_thread(importlib.import_module, "tiltyard.serving.predict.uploads")
        columns, bodies = current.known_columns, components.predictions.bodies
        with bodies.hold() as held:
            rows, inputs = await bodies.read(
                held,
                head,
                request.receive,
                MOST_BYTES,
                lambda content: uploads.read_upload(content, name, columns, held.reserve),
                in_thread=True,
            )
            inputs = replace(inputs, confidence_level=confidence_level)
            predictions, warnings, sets = await _predict_chunks(components, request, head, inputs)
            scored = await asyncio.to_thread(
                uploads.write_scored, rows, predictions, warnings, components.options.answer, sets
            )
        file_name = f"{PurePosixPath(name).stem or 'rows'}-predictions.csv"
        if output == "csv":
            disposition = f"attachment; filename*=UTF-8''{quote(file_name, errors='replace')}"
            return Response(scored, media_type="text/csv", headers={"Content-Disposition": disposition})
        summary = _summarise(file_name, predictions, warnings, scored)
        return Response(summary.model_dump_json(), media_type="application/json")

    return router


async def _predict_chunks(
    components: ServerComponents, request: Request, head: RequestHead, inputs: PredictionRequest
) -> tuple[list[Prediction], Warnings | None, list[Sequence[str]] | None]:
    """Predict and record inputs of any number, as many at a time as a request may hold; with sets where requested."""
    service = components.predictions
    size = service.shape(many=True).max_inputs
    # One key names one prediction, and one repeated request: a file has neither.
    head = head._replace(prediction_key=None, idempotency_key=None)
    if len(inputs.inputs) > size:
        await service.check_scorable(inputs)
    predictions: list[Prediction] = []
    warnings: list[Any] = []
    sets: list[Sequence[str]] = []
    for start in range(0, max(1, len(inputs.inputs)), size):
        part = _take_part(inputs, start, size)
        result = await service.predict(request.scope, request.receive, head, part)
        predictions += result.predictions
        warnings += result.warnings or [()] * len(part.inputs)
        sets += result.sets or ()
    return predictions, warnings if any(warnings) else None, sets if inputs.confidence_level is not None else None


def _take_part(inputs: PredictionRequest, start: int, size: int) -> PredictionRequest:
    def name_field(problem: InputProblem) -> str:
        return inputs.name_field(replace(problem, position=problem.position + start))

    warnings = None if inputs.warnings is None else inputs.warnings[start : start + size]
    return replace(inputs, inputs=inputs.inputs[start : start + size], warnings=warnings, name_field=name_field)


def _summarise(name: str, predictions: Sequence[Prediction], warnings: Warnings | None, content: str) -> ScoredFile:
    total = len(predictions)
    confidences = [item.confidence for item in predictions if item.confidence is not None]
    bins = Counter(min(9, int(confidence * 10)) for confidence in confidences)
    return ScoredFile(
        name=name,
        rows=total,
        by_label=dict(Counter(item.label for item in predictions if item.confidence is not None).most_common()),
        mean_confidence=sum(confidences) / len(confidences) if confidences else None,
        mean_probabilities={
            label: sum(item.probabilities.get(label, 0.0) for item in predictions) / total
            for label in predictions[0].probabilities
        },
        confidence_counts=[bins[place] for place in range(10)],
        warnings=sum(map(bool, warnings or ())),
        content=content,
    )
