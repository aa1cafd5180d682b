"""The labelling queue."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from tiltyard.console.api.data import ApiData
from tiltyard.console.api.schemas import LabelingQueueState, QueuedPrediction
from tiltyard.console.data.labelling import read_labelling_queue
from tiltyard.serving.http.openapi import problem_responses

MOST_LISTED = 500


def label_routes(data: ApiData) -> APIRouter:
    """The routes of the labelling queue."""
    router = APIRouter(tags=["labels"])

    @router.get("/labels/queue", responses=problem_responses(401, 403, 422, 503), summary="The labelling queue")
    def queue(
        size: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Most predictions to list.")] = 20,
        show_predictions: Annotated[
            bool, Query(description="Include the predictions; those who see them tend to agree.")
        ] = False,
    ) -> LabelingQueueState:
        """The predictions whose label was requested and has not come, and how far the labelling is."""
        found = read_labelling_queue(data.ledger, data.model_name, size)
        waiting = [
            QueuedPrediction(
                prediction_id=one.prediction.id,
                requested_at=one.request.at,
                reason=one.request.reason,
                input=dict(one.prediction.input),
                predicted=one.prediction.label if show_predictions else None,
                confidence=one.prediction.confidence if show_predictions else None,
            )
            for one in found.waiting
        ]
        return LabelingQueueState(
            requested=found.requested,
            labelled=found.labelled,
            by_source=dict(found.by_source),
            random_requested=found.random_requested,
            random_labelled=found.random_labelled,
            classes=list(found.classes),
            waiting=waiting,
        )

    return router
