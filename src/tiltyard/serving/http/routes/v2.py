"""/v2: the Open Inference Protocol, as KServe, MLServer and Triton speak it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import Field

from tiltyard._version import __version__
from tiltyard.errors import TiltyardError
from tiltyard.serving.http.openapi import body_of, problem_responses
from tiltyard.serving.http.schemas import ResponseModel
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.bodies import media_type, read_body
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.protocols.v2 import (
    InferenceRequest,
    input_metadata,
    other_model,
    output_metadata,
    outputs_of,
    read_inference,
    write_answer,
)
from tiltyard.serving.predict.requests import Shape
from tiltyard.serving.predict.service import predict_request
from tiltyard.serving.problem_details import RequestError, from_error

HEADER_LENGTH = "Inference-Header-Content-Length"


class ServerState(ResponseModel):
    """Whether the server, or the model, is there."""

    name: str
    ready: bool


class ServerMetadata(ResponseModel):
    """What speaks here."""

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
    """The model that answers."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class OutputTensor(TensorMetadata):
    """One tensor of an answer."""

    data: list[Any] | None = Field(default=None, description="Its elements, unless they follow the JSON as bytes.")


class InferenceResponse(ResponseModel):
    """The answers."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, Any] | None = Field(default=None, description="recorded: false, if it is not in the ledger.")
    outputs: list[OutputTensor]


def v2_routes(service: ServerComponents) -> APIRouter:
    """The routes of the protocol."""
    router = APIRouter(tags=["Open Inference Protocol V2"], prefix="/v2", route_class=_V2Route)
    _add_server_routes(router, service)
    _add_model_routes(router, service)
    return router


def _add_server_routes(router: APIRouter, service: ServerComponents) -> None:
    away: dict[int | str, dict[str, Any]] = {503: {"model": ServerState, "description": "No version can answer."}}

    @router.get("/health/live", summary="Whether the server lives")
    async def live() -> ServerState:
        """Whether the server answers at all."""
        return ServerState(name="tiltyard", ready=True)

    @router.get("/health/ready", response_model=ServerState, responses=away, summary="Whether a version can answer")
    async def ready() -> Response:
        """Whether a version is there to answer."""
        return _state(service, service.live.current is not None)

    @router.get("", summary="What speaks here")
    async def server() -> ServerMetadata:
        """Name, version and extensions of the server."""
        return ServerMetadata(name="tiltyard", version=__version__, extensions=["binary_tensor_data"])


def _add_model_routes(router: APIRouter, service: ServerComponents) -> None:
    """Each route twice, as the protocol has them: for the version that answers, and for one that is named."""
    path, versioned = "/models/{name}", "/models/{name}/versions/{version}"
    refusals = problem_responses(404, 503)
    shown: dict[str, Any] = {
        "response_model_exclude_none": True,
        "responses": refusals,
        "summary": "The tensors that the model takes and gives",
    }
    asked: dict[str, Any] = {
        "response_model": ServerState,
        "responses": {**problem_responses(404), 503: {"model": ServerState, "description": "No version can answer."}},
        "summary": "Whether the model can answer",
    }
    answered: dict[str, Any] = {
        "response_model": InferenceResponse,
        "responses": problem_responses(400, 404, 413, 415, 422, 500, 503),
        "openapi_extra": body_of(InferenceRequest),
        "summary": "Answer tensors",
    }

    @router.get(path, **shown)
    async def metadata(name: str) -> ModelMetadata:
        """Name, version and tensors of the version that answers."""
        return _metadata(_version(service, name))

    @router.get(versioned, **shown)
    async def version_metadata(name: str, version: str) -> ModelMetadata:
        """Name, version and tensors of that version, if it is the one that answers."""
        return _metadata(_version(service, name, version))

    @router.get(f"{path}/ready", **asked)
    async def ready(name: str) -> Response:
        """Whether that model answers here."""
        return _ready(service, name)

    @router.get(f"{versioned}/ready", **asked)
    async def version_ready(name: str, version: str) -> Response:
        """Whether that version of the model answers here; 404 if another one does."""
        return _ready(service, name, version)

    @router.post(f"{path}/infer", **answered)
    async def infer(request: Request, name: str) -> Response:
        """Answer n inputs: labels, probabilities and the ids under which they are in the ledger.

        With the header Inference-Header-Content-Length, tensors may follow the JSON as bytes.
        """
        return await _infer(service, request, name)

    @router.post(f"{versioned}/infer", **answered)
    async def version_infer(request: Request, name: str, version: str) -> Response:
        """Answer n inputs with that version, if it is the one that answers."""
        return await _infer(service, request, name, version)


def _metadata(current: ServedVersion) -> ModelMetadata:
    return ModelMetadata(
        name=current.info.name,
        versions=[current.info.version],
        platform=f"tiltyard_{current.scorer.kind.replace(' ', '_')}",
        inputs=[TensorMetadata(**item) for item in input_metadata(current.columns)],
        outputs=[TensorMetadata(**item) for item in output_metadata(current.scorer.classes)],
    )


def _ready(service: ServerComponents, name: str, version: str | None = None) -> Response:
    if name != service.live.served.model or service.live.current is not None:
        _version(service, name, version)
    return _state(service, service.live.current is not None)


async def _infer(service: ServerComponents, request: Request, name: str, version: str | None = None) -> Response:
    current = _version(service, name, version)
    limit = Shape.of(current.manifest.task, service.options, many=True).max_body
    length = _header_length(request)
    inference = read_inference(await read_body(request, limit), length, current.columns)
    found = await predict_request(service, request, inference.asked, champion=version is not None)
    predictions = found.predictions
    outputs = outputs_of(predictions, list(predictions[0].probabilities), inference.request)
    body, length = write_answer(outputs, inference.request, (name, predictions[0].version), recorded=found.recorded)
    if length is None:
        return Response(body, media_type="application/json")
    return Response(body, headers={HEADER_LENGTH: str(length)}, media_type="application/octet-stream")


class _V2Route(APIRoute):
    """A route whose errors carry what the protocol calls ``error``, besides all that problem documents have."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Any]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def answer_or_error(request: Request) -> Response:
            try:
                return await handle(request)
            except TiltyardError as error:
                found = from_error(error)
                content = json.loads(bytes(found.body))
                headers = {name: value for name, value in found.headers.items() if name == "retry-after"}
                shown = json.dumps({"error": content["detail"], **content})
                return Response(shown, found.status_code, headers, found.media_type)

        return answer_or_error


def _state(service: ServerComponents, ready: bool) -> Response:
    state = ServerState(name=service.live.served.model, ready=ready)
    headers = {} if ready else {"Retry-After": "5"}
    return Response(state.model_dump_json(), 200 if ready else 503, headers, "application/json")


def _version(service: ServerComponents, name: str, version: str | None = None) -> ServedVersion:
    """The version that answers, if it is the one that is asked for."""
    if name != service.live.served.model:
        raise other_model(name, service.live.served.model)
    current = service.live.require()
    if version not in (None, current.info.version):
        raise RequestError(
            f"Version {version!r:.40} of {name} does not answer here.",
            status=404,
            code="model.unknown",
            next_step=f"Ask for version {current.info.version}, or for none.",
        )
    return current


def _header_length(request: Request) -> int | None:
    given = request.headers.get(HEADER_LENGTH)
    if given is None:
        # Triton's client names no type for JSON.
        if request.headers.get("content-type"):
            media_type(request, "application/json", "application/octet-stream")
        return None
    if not given.isdecimal() or len(given) > 18:
        raise RequestError(
            f"The header {HEADER_LENGTH} is {given!r:.40}, and has to be a number of bytes.",
            status=400,
            code="request.malformed",
            next_step="Send the length of the JSON before the tensors' bytes.",
        )
    return int(given)
