"""POST /feedback: the true labels of predictions, as they become known."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from tiltyard.serving.auth.caller import CALLER
from tiltyard.serving.http.label_reports import (
    LARGEST_BODY,
    Feedback,
    Labels,
    OneLabel,
    parse_labels,
    record_reports,
    refuse_single,
)
from tiltyard.serving.http.openapi import body_of, problem_responses
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.requests import RequestHead, check_media_type

_EXAMPLE = {"prediction_id": "the id of a prediction", "label": "its true label"}


def feedback_routes(components: ServerComponents) -> APIRouter:
    """The route that takes labels."""
    router = APIRouter(tags=["feedback"])

    @router.post(
        "/feedback",
        response_model=Feedback,
        responses=problem_responses(400, 404, 409, 413, 415, 422, 500, 503),
        openapi_extra=body_of(OneLabel, Labels, example=_EXAMPLE),
        summary="Report what was true",
    )
    async def feedback(request: Request) -> Feedback:
        """Report the true label of one prediction, or `labels` of many; late, again, or corrected.

        The label with the latest `at` counts; one without `at` replaces those reported before. A label that is not a
        class of the model (or a number, where it predicts numbers), or lies in the future, refuses the request. A class
        that training set aside is accepted with a note. A key that was used for several predictions means the last one
        made until `at`. The results name unknown predictions and ambiguous keys one by one; a single unknown one is
        404, a single ambiguous one 409.
        """
        head = RequestHead.from_headers(request.scope["headers"])
        check_media_type(head)
        bodies = components.predictions.bodies
        with bodies.hold() as held:
            given = await bodies.read(held, head, request.receive, LARGEST_BODY, parse_labels)
            labels = [given] if isinstance(given, OneLabel) else given.labels
            found = await asyncio.to_thread(record_reports, components, labels, request.scope[CALLER].name)
        if isinstance(given, OneLabel) and not found.accepted:
            raise refuse_single(found.results[0])
        return found

    return router
