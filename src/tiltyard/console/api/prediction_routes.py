"""Predictions: a search over all of them, and each by its id."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from tiltyard.console.api.action_forms import ActionDescription
from tiltyard.console.api.data import ApiData, read_moment
from tiltyard.console.api.schemas import (
    CellPlaceState,
    LabelState,
    PredictionDetailsState,
    PredictionList,
    PredictionState,
)
from tiltyard.console.data.input_places import find_input_places
from tiltyard.console.data.prediction_search import PredictionSearch, search_predictions
from tiltyard.console.session import current_session
from tiltyard.errors import NotFoundError
from tiltyard.serving.http.openapi import problem_responses

MOST_LISTED = 500
_TIME = "a time in ISO 8601, in UTC where it names no zone"


def prediction_routes(data: ApiData) -> APIRouter:
    """The routes of predictions."""
    router = APIRouter(tags=["predictions"])
    name = data.model_name

    @router.get("/predictions", responses=problem_responses(401, 403, 422, 503), summary="Search the predictions")
    def predictions(  # noqa: PLR0913, PLR0917 - each is a parameter of the query
        search: Annotated[
            str, Query(max_length=500, description="Words that input, label, version or id have to contain.")
        ] = "",
        version: Annotated[str | None, Query(max_length=64, description="Only of this version.")] = None,
        route: Annotated[
            str | None, Query(max_length=64, description="Only of this route: champion, challenger, shadow, batch.")
        ] = None,
        label: Annotated[str | None, Query(max_length=4096, description="Only of this predicted label.")] = None,
        key: Annotated[str | None, Query(max_length=256, description="Only with this key of the caller's.")] = None,
        since: Annotated[str | None, Query(max_length=64, description=f"Only since then: {_TIME}.")] = None,
        until: Annotated[str | None, Query(max_length=64, description=f"Only before then: {_TIME}.")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Most predictions to list.")] = 50,
    ) -> PredictionList:
        """The predictions of the whole ledger that match, the newest first. `older` continues the list; after two
        seconds a search stops where it is, perhaps without a match yet, and `older` continues it."""
        wanted = PredictionSearch(
            name, search, version, route, label, key, read_moment("since", since), read_moment("until", until)
        )
        found = search_predictions(data.ledger, wanted, limit)
        older = None if found.older is None else found.older.isoformat()
        return PredictionList(predictions=[PredictionState.describe(row) for row in found.rows], older=older)

    @router.get("/predictions/{prediction_id}", responses=problem_responses(401, 403, 404, 503), summary="A prediction")
    def prediction(prediction_id: str) -> PredictionDetailsState:
        """A prediction with its input and all labels that were reported for it."""
        row = data.ledger.prediction(prediction_id)
        if row is None or row.project != name:
            raise NotFoundError(
                f"The ledger holds no prediction with the id '{prediction_id}'.",
                next_step="Search for it: GET /api/v1/predictions",
                code="prediction.unknown",
            )
        labels = data.ledger.labels(model_name=name, prediction_id=row.id, superseded=True)
        places = find_input_places(data.sources.version, row.version, row.input)
        offered = data.desk.offer("prediction", row.id, current_session()) if data.desk else []
        return PredictionDetailsState(
            prediction=PredictionState.describe(row),
            labels=[LabelState.describe(label) for label in labels],
            actions=[ActionDescription.describe(one) for one in offered],
            training={name: CellPlaceState.describe(place) for name, place in places.cells.items()},
        )

    return router
