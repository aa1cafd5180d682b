"""POST /predict and /predict/batch: the predict endpoint as routes, and as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from starlette.routing import Match, Route
from starlette.types import Scope

from tiltyard.serving.http.openapi import REFERENCE, problem_responses
from tiltyard.serving.http.schemas import prediction_schema, predictions_schema
from tiltyard.serving.predict.endpoint import PATHS, PredictEndpoint
from tiltyard.tasks import TaskTarget

_PARAMETERS = [
    {
        "name": "X-Route-Key",
        "in": "header",
        "required": False,
        "description": "Names the caller, such as a user's number, where a challenger predicts for some of the "
        "callers: the same key gets the same version, in every worker.",
        "schema": {"type": "string"},
    },
]


class PredictRoute(Route):
    """A route that ends in the predict endpoint, and refuses other methods as FastAPI's routes do."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is a request's route; metrics find the route's path in the scope."""
        match, child_scope = super().matches(scope)
        return match, child_scope if match is Match.NONE else {**child_scope, "route": self}


def predict_routes(endpoint: PredictEndpoint) -> list[PredictRoute]:
    """The routes of the predict endpoint; where ``FastPathApp`` knows the endpoint, requests do not get so far."""
    return [PredictRoute(path, endpoint, methods=["POST"], include_in_schema=False) for path in PATHS]


def predict_operations(label_field: str, target: TaskTarget) -> dict[str, Any]:
    """What the OpenAPI document shows of them: ``paths`` without their bodies, and ``schemas``.

    Args:
        label_field: name of the field that holds the predicted label.
        target: what that is.
    """
    prediction = prediction_schema(label_field, target)
    models = {"Prediction": prediction, "Predictions": predictions_schema(prediction)}
    paths = {
        "/predict": _operation(
            "predict",
            "Prediction",
            "Predict one input",
            "Predict one input. The prediction is in the ledger, durably, before it is sent.",
        ),
        "/predict/batch": _operation(
            "predict_batch",
            "Predictions",
            "Predict many inputs",
            "Predict a list of inputs, all of them or none. The predictions are in the ledger before they are sent.",
        ),
    }
    return {"paths": paths, "schemas": {name: _json_schema(model) for name, model in models.items()}}


def _operation(name: str, schema: str, summary: str, description: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": REFERENCE.format(model=schema)}}}
    problems = problem_responses(400, 413, 415, 422, 500, 503)
    operation: dict[str, Any] = {
        "tags": ["predictions"],
        "summary": summary,
        "description": description,
        "operationId": name,
        "parameters": list(_PARAMETERS),
        "responses": {
            "200": {"description": "Successful Response", "content": content},
            **{str(status): response for status, response in problems.items()},
        },
    }
    return {"post": operation}


def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(ref_template=REFERENCE, mode="serialization")
