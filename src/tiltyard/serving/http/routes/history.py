"""GET /predictions: the latest recorded predictions, and a search over them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from tiltyard.ledger.ports import Ledger
from tiltyard.ledger.records import full_text, matches_search
from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.http.schemas import ResponseModel
from tiltyard.serving.predict.components import ServerComponents

SEARCHED = 2000
"""Number of the latest predictions that a search reads."""

MOST_LISTED = 200
_LONGEST_INPUT = 400


class RecordedPrediction(ResponseModel):
    """A prediction as the ledger holds it."""

    prediction_id: str
    at: datetime = Field(description="When it was made, UTC.")
    input: str = Field(description=f"The input as one line of at most {_LONGEST_INPUT} characters.")
    label: str
    confidence: float | None = Field(description="Null for a predicted number.")
    interval: tuple[float | None, float | None] | None = Field(description="Of a predicted number; else null.")
    model_version: str
    route: str = Field(description="The alias that predicted.")
    latency_ms: float | None = Field(description="Null for one that nobody measured.")


class PredictionHistory(ResponseModel):
    """The latest predictions that match."""

    read: int = Field(description="Number of the latest predictions that were read.")
    found: int = Field(description="Number of those that match.")
    labels: list[str] = Field(description="The labels among those that were read; none of numbers.")
    predictions: list[RecordedPrediction] = Field(description="The latest that match, newest first.")


def history_routes(components: ServerComponents) -> APIRouter:
    """The route of the latest predictions."""
    router = APIRouter(tags=["operation"])

    @router.get("/predictions", responses=problem_responses(422, 503), summary="The latest predictions")
    async def predictions(
        search: Annotated[
            str, Query(max_length=500, description="Words that input, label, version or id have to contain.")
        ] = "",
        label: Annotated[str, Query(max_length=4096, description="Only predictions of this label.")] = "",
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Most predictions to list.")] = 30,
    ) -> PredictionHistory:
        """The latest predictions of the model, newest first; a search reads the latest 2,000."""
        return await asyncio.to_thread(
            _find_predictions, components.ledger, components.models.served.model_name, search, label, limit
        )

    return router


def _find_predictions(ledger: Ledger, model: str, search: str, label: str, limit: int) -> PredictionHistory:
    most = SEARCHED if search.strip() or label else limit
    read = list(ledger.predictions(project=model, shadow=False, limit=most, newest_first=True))
    found = [item for item in read if (not label or item.label == label) and matches_search(item, search)]
    listed = [
        RecordedPrediction(
            prediction_id=item.id,
            at=item.at,
            input=_shorten(full_text(item.input)),
            label=item.label,
            confidence=item.confidence,
            interval=item.interval,
            model_version=item.version,
            route=item.route,
            latency_ms=item.latency_ms,
        )
        for item in found[:limit]
    ]
    # A predicted number is its own label nearly always: there is nothing to choose from.
    labels = sorted({item.label for item in read if item.confidence is not None})
    return PredictionHistory(read=len(read), found=len(found), labels=labels, predictions=listed)


def _shorten(line: str) -> str:
    return line if len(line) <= _LONGEST_INPUT else f"{line[: _LONGEST_INPUT - 1].rstrip()}…"
