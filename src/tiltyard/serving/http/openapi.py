"""The OpenAPI document: FastAPI's, with the request bodies that the version in service takes."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from tiltyard.scoring.table.columns import InputColumns, InputKind
from tiltyard.scoring.text.text_inputs import LONGEST_GROUP, TEXT
from tiltyard.serving.auth import Guard
from tiltyard.serving.auth.scopes import required_scope
from tiltyard.serving.http.schemas import Problem
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.idempotency import LONGEST_KEY as LONGEST_IDEMPOTENCY_KEY
from tiltyard.serving.predict.inputs import GROUP, InputShape
from tiltyard.serving.predict.protocols.v2 import input_metadata
from tiltyard.serving.predict.requests import LONGEST_KEY, PREDICTION_KEY
from tiltyard.serving.problem_details import MEDIA_TYPE
from tiltyard.tasks import CONFIDENCE_LEVEL, TASKS, reads_text

REFERENCE = "#/components/schemas/{model}"
_JSON_TYPES: dict[InputKind, list[str]] = {
    "number": ["number", "null"],
    "boolean": ["boolean", "null"],
    "text": ["string", "null"],
    "time": ["string", "null"],
    "any": ["string", "number", "boolean", "null"],
}
_LEVEL_SCHEMA = {
    "type": "number",
    "exclusiveMinimum": 0,
    "exclusiveMaximum": 1,
    "description": "The confidence of prediction sets: each prediction gets a prediction_set, which holds the true "
    "label at least that often. /model-info has the highest one.",
}
_TEXT = "Write the text to classify here."
_EXAMPLES: dict[InputKind, Any] = {
    "number": 1.0,
    "boolean": True,
    "text": "value",
    "time": "2026-01-31T12:00:00Z",
    "any": None,
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route may send, for its ``responses``."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def body_of(*models: type[BaseModel], example: Any = None) -> dict[str, Any]:
    """The JSON body that a route reads by itself, one of these models, for its ``openapi_extra``."""
    # Definitions within them are lifted to the document's by describe.
    schemas = [model.model_json_schema(ref_template=REFERENCE) for model in models]
    content: dict[str, Any] = {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def describe(app: FastAPI, components: ServerComponents, guard: Guard, predict: Mapping[str, Any]) -> None:
    """Let ``/openapi.json`` show the bodies that the version in service takes, and the API keys that it needs now.

    Args:
        app: the application.
        components: the parts of the server.
        guard: whether API keys are in use.
        predict: ``paths`` and ``schemas`` of the predict endpoint, which FastAPI does not know.
    """
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        document = deepcopy(generated())
        document["paths"] = {**deepcopy(predict["paths"]), **document["paths"]}
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(deepcopy(predict["schemas"]))
        _lift_definitions(document["paths"], schemas)
        problem = Problem.model_json_schema(ref_template=REFERENCE)
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        _add_key_headers(document)
        for path, many in (("/predict", False), ("/predict/batch", True), ("/explain", False)):
            body = request_body(components, many=many, predicts=path != "/explain")
            document["paths"][path]["post"]["requestBody"] = body
        _add_model_names(document, components)
        _add_examples(document, components)
        _add_security(document, keys_needed=not guard.is_open)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _lift_definitions(part: Any, schemas: dict[str, Any]) -> None:
    """Move the definitions that stand within schemas to where their references look for them."""
    if isinstance(part, dict):
        schemas.update(part.pop("$defs", {}))
        for value in part.values():
            _lift_definitions(value, schemas)
    elif isinstance(part, list):
        for value in part:
            _lift_definitions(value, schemas)


def _add_examples(document: dict[str, Any], components: ServerComponents) -> None:
    """Give the other protocols examples that the version in service can predict."""
    current = components.models.current
    if current is None:
        return
    columns = current.columns
    row = {"text": _TEXT} if columns is None else {column.name: _EXAMPLES[column.kind] for column in columns}
    tensors = [
        {**tensor, "shape": [1], "data": [row[tensor["name"]]]} for tensor in input_metadata(current.known_columns)
    ]
    examples: dict[str, Any] = {"/invocations": {"dataframe_records": [row]}}
    for path in ("/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"):
        examples[path] = {"inputs": tensors}
    for path, example in examples.items():
        document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"] = example


def _add_model_names(document: dict[str, Any], components: ServerComponents) -> None:
    """Say which model and version the paths of the Open Inference Protocol may name now."""
    current = components.models.current
    known = {"name": components.models.served.model_name, "version": current.info.version if current else None}
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                value = known.get(parameter["name"]) if parameter["in"] == "path" else None
                if value is not None:
                    parameter["schema"]["enum"] = [value]


def _add_key_headers(document: dict[str, Any]) -> None:
    """Name the headers by which callers name predictions and repeat requests, on every route that predicts."""
    prediction_key = {
        "name": PREDICTION_KEY,
        "in": "header",
        "required": False,
        "description": "Your key for the prediction, such as an order's number, by which labels can be reported later. "
        "Inputs of a list have it with /0, /1 and so on behind it.",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]+$"},
    }
    idempotency_key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A key that the caller chose. The same request with the same key gets the same prediction, "
        "which is recorded once, also after a restart; another request with the same key is refused (422). "
        "Keys are kept for 24 hours, predictions as long as the ledger keeps them.",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_IDEMPOTENCY_KEY, "pattern": "^[ -~]+$"},
    }
    for path, operations in document["paths"].items():
        if path in ("/predict", "/predict/batch") or path == "/invocations" or path.endswith("/infer"):
            operations["post"].setdefault("parameters", []).extend([prediction_key, idempotency_key])


def _add_security(document: dict[str, Any], *, keys_needed: bool) -> None:
    """Name the two ways to send a key, and for each operation the scope that the key must have."""
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key as Authorization: Bearer …"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key by itself."},
    }
    for path, operations in document["paths"].items():
        need = required_scope(path)
        for operation in operations.values():
            refusals = (401, 403, 421, 431) if need == "public" else (401, 403, 421, 429, 431)
            for status, response in problem_responses(*refusals).items():
                operation["responses"].setdefault(str(status), response)
            if need == "public" or not keys_needed:
                operation["security"] = []
                continue
            scopes = [] if need == "any-key" else [need]
            operation["security"] = [{"bearer": scopes}, {"key": scopes}]


def request_body(components: ServerComponents, *, many: bool, predicts: bool = True) -> dict[str, Any]:
    """The request body of /predict or /predict/batch, or of /explain; where no task is known yet, that of each."""
    current = components.models.current
    columns = current.columns if current else None
    tasks = (components.models.task,) if components.models.task else tuple(TASKS)
    shapes = [InputShape.from_options(task, components.options, many=many) for task in tasks]
    sets = predicts and (current is None or current.sets is not None)
    schemas = [_body_schema(shape, columns, sets=sets) for shape in shapes]
    content = {
        "schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
        "example": _example(shapes[0], columns),
    }
    return {"required": True, "content": {"application/json": content}}


def _body_schema(shape: InputShape, columns: InputColumns | None, *, sets: bool) -> dict[str, Any]:
    more = {CONFIDENCE_LEVEL: _LEVEL_SCHEMA} if sets else {}
    if shape.key == TEXT:
        alone = _grouped_text_schema(shape)
        return {**alone, "properties": {**alone["properties"], **more}}
    if reads_text(shape.task):
        item: dict[str, Any] = {"anyOf": [_text_schema(shape), _grouped_text_schema(shape)]}
    else:
        item = _row_schema(columns)
    value = {"type": "array", "items": item, "minItems": 1, "maxItems": shape.max_inputs} if shape.many else item
    return {
        "type": "object",
        "properties": {shape.key: value, **more},
        "required": [shape.key],
        "additionalProperties": False,
    }


def _text_schema(shape: InputShape) -> dict[str, Any]:
    return {"type": "string", "maxLength": shape.max_text, "description": "The text to classify."}


def _grouped_text_schema(shape: InputShape) -> dict[str, Any]:
    group = {
        "type": ["string", "number", "null"],
        "maxLength": LONGEST_GROUP,
        "description": "Which rows belong together with the text, such as a customer's number (split.group of the "
        "project); recorded with it.",
    }
    return {
        "type": "object",
        "properties": {TEXT: _text_schema(shape), GROUP: group},
        "required": [TEXT],
        "additionalProperties": False,
    }


def _row_schema(columns: InputColumns | None) -> dict[str, Any]:
    if columns is None:
        return {"type": "object", "additionalProperties": {"type": _JSON_TYPES["any"]}}
    properties: dict[str, Any] = {column.name: {"type": _JSON_TYPES[column.kind]} for column in columns}
    for column in columns:
        if column.kind == "time":
            properties[column.name]["format"] = "date-time"
    required = list(properties)
    for name in sorted(columns.others):
        properties[name] = {"description": "A column of the training file that the model does not read."}
    return {
        "type": "object",
        "description": "The features by name; null for a value that is not known.",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _example(shape: InputShape, columns: InputColumns | None) -> dict[str, Any]:
    item: Any = _TEXT
    if not reads_text(shape.task):
        item = {column.name: _EXAMPLES[column.kind] for column in columns or ()}
    return {shape.key: [item] if shape.many else item}
