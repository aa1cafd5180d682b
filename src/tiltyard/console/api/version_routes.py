"""Versions, runs and batch runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from tiltyard.console.api.action_forms import ActionDescription
from tiltyard.console.api.data import ApiData
from tiltyard.console.api.schemas import (
    BatchRunList,
    BatchRunState,
    EventState,
    RunList,
    VersionDetailsState,
    VersionList,
    VersionState,
)
from tiltyard.console.session import current_session
from tiltyard.jsonable import to_jsonable
from tiltyard.serving.http.openapi import problem_responses

MOST_LISTED = 1000


def version_routes(data: ApiData) -> APIRouter:
    """The routes of versions, runs and batch runs."""
    router = APIRouter(tags=["versions"])
    name = data.model_name

    @router.get("/versions", responses=problem_responses(401, 403, 503), summary="The versions")
    def versions() -> VersionList:
        """All versions of the model, the newest first."""
        found = [VersionState.describe(info) for info in data.registry.list_versions(name)]
        return VersionList(model=name, metric=data.project.training.metric, versions=found)

    @router.get("/versions/{version}", responses=problem_responses(401, 403, 404, 503), summary="A version")
    def version(version: str) -> VersionDetailsState:
        """A version by its number or label, the decisions about it, and the actions that fit it."""
        info = data.registry.get_version(name, version=version)
        events = data.ledger.events(subject=f"{name}/{info.version}")
        offered = data.desk.offer("version", info.version, current_session()) if data.desk else []
        return VersionDetailsState(
            version=VersionState.describe(info),
            events=[EventState.describe(event) for event in events],
            actions=[ActionDescription.describe(one) for one in offered],
        )

    @router.get("/runs", responses=problem_responses(401, 403, 422, 503), summary="The runs of the experiment")
    def runs(limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Most runs to list.")] = 100) -> RunList:
        """The runs of the project's experiment in MLflow, the newest first, with parameters and metrics."""
        frame = data.sources.runs()
        if len(frame) and "start_time" in frame:
            frame = frame.sort_values("start_time", ascending=False)
        # Cells that a run does not have are NaN or NaT, and are left out.
        found: list[dict[str, Any]] = [
            {str(key): to_jsonable(value) for key, value in row.items() if value == value}  # noqa: PLR0124
            for row in frame.head(limit).to_dict("records")
        ]
        return RunList(runs=found)

    @router.get("/batches", responses=problem_responses(401, 403, 422, 503), summary="The batch runs")
    def batches(
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="Most runs to list.")] = 100,
    ) -> BatchRunList:
        """Tables that were scored as a whole, the newest first, with what was found in each."""
        found = data.ledger.batch_runs.select(model_name=name, limit=limit)
        return BatchRunList(batches=[BatchRunState.describe(run) for run in found])

    return router
