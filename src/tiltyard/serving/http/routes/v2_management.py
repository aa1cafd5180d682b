"""/v2 beyond predictions: configuration, repository index and statistics, as Triton's clients ask for them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.http.schemas import ResponseModel
from tiltyard.serving.model.served_version import ServedVersion
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.protocols.task_part import TaskServing
from tiltyard.serving.predict.protocols.v2 import input_metadata, unknown_model
from tiltyard.serving.problem_details import RequestError

NANOSECONDS = 1e6
"""In a millisecond."""


class TensorConfig(ResponseModel):
    """One tensor; -1 stands for the number of inputs."""

    name: str
    data_type: str
    dims: list[int]


class ModelConfig(ResponseModel):
    """The model as Triton would be configured for it."""

    name: str
    platform: str
    backend: str = "tiltyard"
    max_batch_size: int = 0
    input: list[TensorConfig]
    output: list[TensorConfig]


class RepositoryEntry(ResponseModel):
    """A model of this server."""

    name: str
    version: str
    state: str
    reason: str


class DurationStatistics(ResponseModel):
    """How often, and how long in all."""

    count: int
    ns: int


class InferenceStatistics(ResponseModel):
    """Predictions that were recorded."""

    success: DurationStatistics


class ModelStatistics(ResponseModel):
    """Counts of one version."""

    name: str
    version: str
    inference_count: int
    execution_count: int
    inference_stats: InferenceStatistics


class StatisticsResponse(ResponseModel):
    """Counts of the version in service."""

    model_stats: list[ModelStatistics]


def v2_management_routes(components: ServerComponents) -> APIRouter:
    """The routes, each of a model's twice: for the version in service, and for one that is named."""
    router = APIRouter()
    path, versioned = "/models/{name}", "/models/{name}/versions/{version}"
    refusals = problem_responses(404, 503)

    @router.post("/repository/index", summary="The models that this server has")
    async def index() -> list[RepositoryEntry]:
        """The served model, and whether it can predict."""
        served, current = components.models.served.model_name, components.models.current
        if current is None:
            return [RepositoryEntry(name=served, version="", state="UNAVAILABLE", reason="no version can predict")]
        return [RepositoryEntry(name=served, version=current.info.version, state="READY", reason="")]

    @router.get("/models/stats", responses=problem_responses(503), summary="Counts of the version in service")
    async def all_statistics() -> StatisticsResponse:
        """How many predictions the version in service has made, and how long they took."""
        return _statistics(components, components.models.require())

    @router.get(f"{path}/stats", responses=refusals, summary="Counts of the version in service")
    async def statistics(name: str) -> StatisticsResponse:
        """How many predictions the version in service has made, and how long they took."""
        return _statistics(components, requested_version(components, name))

    @router.get(f"{versioned}/stats", responses=refusals, summary="Counts of a version")
    async def version_statistics(name: str, version: str) -> StatisticsResponse:
        """The same of that version, if it is in service."""
        return _statistics(components, requested_version(components, name, version))

    @router.get(f"{path}/config", responses=refusals, summary="The model's configuration")
    async def config(name: str) -> ModelConfig:
        """Tensors and platform of the version in service, as Triton's configuration has them."""
        return _config(requested_version(components, name))

    @router.get(f"{versioned}/config", responses=refusals, summary="A version's configuration")
    async def version_config(name: str, version: str) -> ModelConfig:
        """The same of that version, if it is in service."""
        return _config(requested_version(components, name, version))

    return router


def requested_version(components: ServerComponents, name: str, version: str | None = None) -> ServedVersion:
    """The version in service, if it is the one that the request names.

    Raises:
        RequestError: it is another one, or there is no such model here.
        UnavailableError: no version can predict.
    """
    if name != components.models.served.model_name:
        raise unknown_model(name, components.models.served.model_name)
    current = components.models.require()
    if version not in (None, current.info.version):
        raise RequestError(
            f"Version {version!r:.40} of {name} is not in service here.",
            status=404,
            code="model.unknown",
            next_step=f"Name version {current.info.version}, or no version.",
        )
    return current


def _config(current: ServedVersion) -> ModelConfig:
    return ModelConfig(
        name=current.info.name,
        platform=current.platform,
        input=_tensors(input_metadata(current.known_columns)),
        output=_tensors(TaskServing.find_for(current.manifest.task).describe_tensors(current.scorer.classes)),
    )


def _tensors(metadata: list[dict[str, Any]]) -> list[TensorConfig]:
    return [
        TensorConfig(
            name=tensor["name"],
            data_type="TYPE_STRING" if tensor["datatype"] == "BYTES" else f"TYPE_{tensor['datatype']}",
            dims=tensor["shape"],
        )
        for tensor in metadata
    ]


def _statistics(components: ServerComponents, current: ServedVersion) -> StatisticsResponse:
    totals = components.statistics.to_dict()
    count = totals["by_version"].get(current.info.version, 0)
    spent = int(count * (totals["mean_latency_ms"] or 0.0) * NANOSECONDS)
    return StatisticsResponse(
        model_stats=[
            ModelStatistics(
                name=current.info.name,
                version=current.info.version,
                inference_count=count,
                execution_count=components.batcher.figures.batches,
                inference_stats=InferenceStatistics(success=DurationStatistics(count=count, ns=spent)),
            )
        ]
    )
