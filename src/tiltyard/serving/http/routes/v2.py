"""/v2: the Open Inference Protocol, as KServe, MLServer and Triton speak it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from tiltyard._version import __version__
from tiltyard.serving.headers import read_headers
from tiltyard.serving.http.openapi import body_of, problem_responses
from tiltyard.serving.http.routes.v2_management import requested_version, v2_management_routes
from tiltyard.serving.http.schemas import ResponseModel, UnknownValue
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.protocols.task_part import TaskServing
from tiltyard.serving.predict.protocols.v2 import (
    InferenceRequest,
    input_metadata,
    output_tensors,
    read_inference,
    write_response,
)
from tiltyard.serving.predict.requests import JSON, RequestHead, check_media_type
from tiltyard.serving.problem_details import RequestError

HEADER_LENGTH = "Inference-Header-Content-Length"


class ServerState(ResponseModel):
    """Whether the server, or the model, is ready."""

    name: str
    ready: bool


class ServerMetadata(ResponseModel):
    """The server that speaks the protocol."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(ResponseModel):
    """One tensor; -1 stands for the number of inputs."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None


class ModelMetadata(ResponseModel):
    """The model in service."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class OutputTensor(TensorMetadata):
    """One tensor of a response."""

    data: list[Any] | None = Field(default=None, description="Its elements, unless they follow the JSON as bytes.")


class RowWarning(UnknownValue):
    """What training did not know of one row."""

    row: int = Field(description="The row, from 0.")


class InferenceParameters(ResponseModel):
    """What is to be said about the predictions."""

    recorded: bool = Field(default=True, description="false if they are not in the ledger; else absent.")
    warnings: list[RowWarning] = Field(
        default=[], description="What training did not know of the inputs; absent where there is nothing to say."
    )


class InferenceResponse(ResponseModel):
    """The predictions."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: InferenceParameters | None = Field(default=None, description="Absent where there is nothing to say.")
    outputs: list[OutputTensor]


def v2_routes(components: ServerComponents) -> APIRouter:
    """The routes of the protocol."""
    router = APIRouter(tags=["Open Inference Protocol V2"], prefix="/v2")
    _add_server_routes(router, components)
    # Before the routes of a model, one of which would take "stats" for a name.
    router.include_router(v2_management_routes(components))
    _add_model_routes(router, components)
    return router


def _add_server_routes(router: APIRouter, components: ServerComponents) -> None:
    not_ready: dict[int | str, dict[str, Any]] = {503: {"model": ServerState, "description": "No version can predict."}}

    @router.get("/health/live", summary="Whether the server lives")
    async def live() -> ServerState:
        """Whether the server runs."""
        return ServerState(name="tiltyard", ready=True)

    @router.get(
        "/health/ready", response_model=ServerState, responses=not_ready, summary="Whether a version can predict"
    )
    async def ready() -> Response:
        """Whether there is a version to predict with, and its predictions can be recorded."""
        return _state_response(components, components.can_predict)

    @router.get("", summary="Name and version of the server")
    async def server() -> ServerMetadata:
        """Name, version and extensions of the server."""
        return ServerMetadata(name="tiltyard", version=__version__, extensions=["binary_tensor_data"])


def _add_model_routes(router: APIRouter, components: ServerComponents) -> None:
    """Each route twice, as the protocol has them: for the version in service, and for one that is named."""
    path, versioned = "/models/{name}", "/models/{name}/versions/{version}"
    metadata_options: dict[str, Any] = {
        "response_model_exclude_none": True,
        "responses": problem_responses(404, 503),
        "summary": "The tensors that the model takes and returns",
    }
    ready_options: dict[str, Any] = {
        "response_model": ServerState,
        "responses": {**problem_responses(404), 503: {"model": ServerState, "description": "No version can predict."}},
        "summary": "Whether the model can predict",
    }
    infer_options: dict[str, Any] = {
        "response_model": InferenceResponse,
        "responses": problem_responses(400, 404, 413, 415, 422, 500, 503),
        "openapi_extra": body_of(InferenceRequest),
        "summary": "Predict tensors",
    }

    @router.get(path, **metadata_options)
    async def metadata(name: str) -> ModelMetadata:
        """Name, version and tensors of the version in service."""
        return _metadata(requested_version(components, name))

    @router.get(versioned, **metadata_options)
    async def version_metadata(name: str, version: str) -> ModelMetadata:
        """Name, version and tensors of that version, if it is in service."""
        return _metadata(requested_version(components, name, version))

    @router.get(f"{path}/ready", **ready_options)
    async def ready(name: str) -> Response:
        """Whether this server can predict with that model."""
        return _ready_response(components, name)

    @router.get(f"{versioned}/ready", **ready_options)
    async def version_ready(name: str, version: str) -> Response:
        """Whether that version of the model is in service; 404 if another one is."""
        return _ready_response(components, name, version)

    @router.post(f"{path}/infer", **infer_options)
    async def infer(request: Request, name: str) -> Response:
        """Predict n inputs: labels, probabilities and the ids under which they are in the ledger.

        With the header Inference-Header-Content-Length, tensors may follow the JSON as bytes.
        """
        return await _infer(components, request, name)

    @router.post(f"{versioned}/infer", **infer_options)
    async def version_infer(request: Request, name: str, version: str) -> Response:
        """Predict n inputs with that version, if it is in service."""
        return await _infer(components, request, name, version)


def _metadata(current: ServedVersion) -> ModelMetadata:
    return ModelMetadata(
        name=current.info.name,
        versions=[current.info.version],
        platform=current.platform,
        inputs=[TensorMetadata(**item) for item in input_metadata(current.known_columns)],
        outputs=[
            TensorMetadata(**item)
            for item in TaskServing.find_for(current.manifest.task).describe_tensors(current.scorer.classes)
        ],
    )


def _ready_response(components: ServerComponents, name: str, version: str | None = None) -> Response:
    if name != components.models.served.model_name or components.models.current is not None:
        requested_version(components, name, version)
    return _state_response(components, components.can_predict)


async def _infer(components: ServerComponents, request: Request, name: str, version: str | None = None) -> Response:
    head = RequestHead.from_headers(request.scope["headers"])
    with components.predictions.refusals:
        current = requested_version(components, name, version)
        length = _header_length(request, head)
        limit = components.predictions.shape(many=True).value_limit
    columns = current.known_columns
    wanted = TaskServing.find_for(current.manifest.task).tensors
    with components.predictions.bodies.hold() as held:
        inference = await components.predictions.read(
            held, head, request.receive, lambda body: read_inference(body, length, columns, limit, wanted)
        )
        result = await components.predictions.predict(
            request.scope, request.receive, head, inference.inputs, champion_only=version is not None
        )
    predictions = result.predictions
    outputs = output_tensors(predictions, list(predictions[0].probabilities), inference.request, result.sets)
    body, length = write_response(
        outputs, inference.request, (name, predictions[0].version), recorded=result.recorded, warnings=result.warnings
    )
    if length is None:
        return Response(body, media_type="application/json")
    return Response(body, headers={HEADER_LENGTH: str(length)}, media_type="application/octet-stream")


def _state_response(components: ServerComponents, ready: bool) -> Response:
    state = ServerState(name=components.models.served.model_name, ready=ready)
    headers = {} if ready else {"Retry-After": "5"}
    return Response(state.model_dump_json(), 200 if ready else 503, headers, "application/json")


def _header_length(request: Request, head: RequestHead) -> int | None:
    value = read_headers(request.scope["headers"]).get(HEADER_LENGTH.lower().encode())
    if value is None:
        check_media_type(head, JSON, "application/octet-stream")
        return None
    sent = value.decode("latin-1")
    if not sent.isdecimal() or len(sent) > 18:
        raise RequestError(
            f"The header {HEADER_LENGTH} is {sent!r:.40}, and has to be a number of bytes.",
            status=400,
            code="request.malformed",
            next_step="Send the length of the JSON before the tensors' bytes.",
        )
    return int(sent)
