"""The OpenAPI document: FastAPI's, with the request bodies that the version in service takes."""

from __future__ import annotations

from copy import deepcopy
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from tiltyard.project import Task
from tiltyard.scoring.table.columns import InputColumns, Kind
from tiltyard.serving.auth import Guard
from tiltyard.serving.auth.scopes import required_scope
from tiltyard.serving.http.schemas import Problem
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.protocols.v2 import input_metadata
from tiltyard.serving.predict.requests import LONGEST_KEY, PREDICTION_KEY, Shape
from tiltyard.serving.problem_details import MEDIA_TYPE

_REFERENCE = "#/components/schemas/{model}"
_JSON_TYPES: dict[Kind, list[str]] = {
    "number": ["number", "null"],
    "boolean": ["boolean", "null"],
    "text": ["string", "null"],
    "time": ["string", "null"],
    "any": ["string", "number", "boolean", "null"],
}
_TEXT = "Write the text to classify here."
_EXAMPLES: dict[Kind, Any] = {
    "number": 1.0,
    "boolean": True,
    "text": "value",
    "time": "2026-01-31T12:00:00Z",
    "any": None,
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route may answer with, for its ``responses``."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def body_of(*models: type[BaseModel], example: Any = None) -> dict[str, Any]:
    """The JSON body that a route reads by itself, one of these models, for its ``openapi_extra``."""
    # Definitions within them are lifted to the document's by describe.
    schemas = [model.model_json_schema(ref_template=_REFERENCE) for model in models]
    content: dict[str, Any] = {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def describe(app: FastAPI, service: ServerComponents, guard: Guard) -> None:
    """Let ``/openapi.json`` show the request bodies of the version in service, and the keys that are asked for now."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        document = deepcopy(generated())
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        _lift_definitions(document["paths"], schemas)
        problem = Problem.model_json_schema(ref_template=_REFERENCE)
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        _show_keys(document)
        for path, many in (("/predict", False), ("/predict/batch", True), ("/explain", False)):
            document["paths"][path]["post"]["requestBody"] = request_body(service, many=many)
        _name_model(document, service)
        _show_examples(document, service)
        _show_security(document, keys_needed=not guard.is_open)
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


def _show_examples(document: dict[str, Any], service: ServerComponents) -> None:
    """Give the other protocols examples that the version in service answers."""
    current = service.live.current
    if current is None:
        return
    columns = current.columns
    row = {"text": _TEXT} if columns is None else {column.name: _EXAMPLES[column.kind] for column in columns}
    tensors = [{**tensor, "shape": [1], "data": [row[tensor["name"]]]} for tensor in input_metadata(columns)]
    examples: dict[str, Any] = {"/invocations": {"dataframe_records": [row]}}
    for path in ("/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"):
        examples[path] = {"inputs": tensors}
    for path, example in examples.items():
        document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"] = example


def _name_model(document: dict[str, Any], service: ServerComponents) -> None:
    """Say which model and version the paths of the Open Inference Protocol may name now."""
    current = service.live.current
    known = {"name": service.live.served.model, "version": current.info.version if current else None}
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                value = known.get(parameter["name"]) if parameter["in"] == "path" else None
                if value is not None:
                    parameter["schema"]["enum"] = [value]


def _show_keys(document: dict[str, Any]) -> None:
    """Name the header by which callers give predictions keys of their own, wherever predictions are made."""
    header = {
        "name": PREDICTION_KEY,
        "in": "header",
        "required": False,
        "description": "A key of your own, such as an order's number, by which labels can be reported later. Inputs "
        "of a list have it with /0, /1 and so on behind it.",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]+$"},
    }
    for path, operations in document["paths"].items():
        if path.startswith("/predict") or path == "/invocations" or path.endswith("/infer"):
            operations["post"].setdefault("parameters", []).append(header)


def _show_security(document: dict[str, Any], *, keys_needed: bool) -> None:
    """Name the two ways to show a key, and for each operation the scope that the key must have."""
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key as Authorization: Bearer …"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key by itself."},
    }
    for path, operations in document["paths"].items():
        need = required_scope(path)
        for operation in operations.values():
            refusals = (401, 403, 431) if need == "nothing" else (401, 403, 429, 431)
            for status, response in problem_responses(*refusals).items():
                operation["responses"].setdefault(str(status), response)
            if need == "nothing" or not keys_needed:
                operation["security"] = []
                continue
            scopes = [] if need == "any-key" else [need]
            operation["security"] = [{"bearer": scopes}, {"key": scopes}]


def request_body(service: ServerComponents, *, many: bool) -> dict[str, Any]:
    """The request body of /predict or /predict/batch; where no task is known yet, either task's."""
    current = service.live.current
    columns = current.columns if current else None
    tasks: list[Task] = [service.live.task] if service.live.task else ["text-classification", "tabular-classification"]
    shapes = [Shape.of(task, service.options, many=many) for task in tasks]
    schemas = [_body_schema(shape, columns) for shape in shapes]
    content = {
        "schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
        "example": _example(shapes[0], columns),
    }
    return {"required": True, "content": {"application/json": content}}


def _body_schema(shape: Shape, columns: InputColumns | None) -> dict[str, Any]:
    item = _text_schema(shape) if shape.task == "text-classification" else _row_schema(columns)
    value = item
    if shape.many:
        value = {"type": "array", "items": item, "minItems": 1, "maxItems": shape.max_inputs}
    return {
        "type": "object",
        "properties": {shape.key: value},
        "required": [shape.key],
        "additionalProperties": False,
    }


def _text_schema(shape: Shape) -> dict[str, Any]:
    return {"type": "string", "maxLength": shape.max_text, "description": "The text to classify."}


def _row_schema(columns: InputColumns | None) -> dict[str, Any]:
    if columns is None:
        return {"type": "object", "additionalProperties": {"type": _JSON_TYPES["any"]}}
    properties: dict[str, Any] = {column.name: {"type": _JSON_TYPES[column.kind]} for column in columns}
    for column in columns:
        if column.kind == "time":
            properties[column.name]["format"] = "date-time"
    return {
        "type": "object",
        "description": "The features by name; null for a value that is not known.",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _example(shape: Shape, columns: InputColumns | None) -> dict[str, Any]:
    item: Any = _TEXT
    if shape.task != "text-classification":
        item = {column.name: _EXAMPLES[column.kind] for column in columns or ()}
    return {shape.key: [item] if shape.many else item}
