"""Versions compared on the same rows, and the columns of the input at training and now."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from tiltyard.console.api.data import ApiData, read_moment
from tiltyard.console.data.columns import ColumnsView, columns_view
from tiltyard.errors import NotFoundError
from tiltyard.serving.http.openapi import problem_responses
from tiltyard.serving.http.schemas import ResponseModel
from tiltyard.serving.problem_details import FieldProblem, RequestError, invalid_fields

USUAL_PERIOD = timedelta(days=7)
MOST_COMPARED = 5
_TIME = "a time in ISO 8601, in UTC where it names no zone"


class MetricState(ResponseModel):
    """A metric of all versions, on the same rows."""

    name: str
    figures: list[dict[str, Any]] = Field(description="Its value for each version, with a 95 % interval.")
    differences: list[dict[str, Any]] = Field(
        description="Of each version but the first from the first, with interval and outcome: better, worse, or alike "
        "where the difference may be chance."
    )


class ComparisonState(ResponseModel):
    """Versions on the rows that none of them was trained on."""

    versions: list[str] = Field(description="The others are compared with the first.")
    rows: int
    rows_left_out: int = Field(description="Test rows that one of them was trained on.")
    metrics: list[MetricState] = Field(description="The project's metric first.")


class BarState(ResponseModel):
    """A value, or a range of values."""

    name: str
    reference: float = Field(description="Share of the rows of training.")
    now: float = Field(description="Share of the rows of the period.")


class SharesState(ResponseModel):
    """A figure at training and in the period."""

    reference: float
    now: float


class PointState(ResponseModel):
    """A figure at a time."""

    at: datetime
    value: float


class SeriesState(ResponseModel):
    """A figure of a column over time."""

    name: str
    reference: float = Field(description="At training.")
    points: list[PointState]


class ColumnState(ResponseModel):
    """A column at training and in a period."""

    name: str
    title: str
    reading: str = Field(description="drift, difference (less than the limit), alike, chance or untested.")
    message: str = Field(description="The finding where it drifted; else empty.")
    distance: float = Field(description="How far the two are apart, 0 to 1.")
    rows: SharesState
    missing: SharesState = Field(description="Share of the rows without a value.")
    bars: list[BarState]
    series: list[SeriesState]


class ColumnsState(ResponseModel):
    """The columns of a version, those that drifted first."""

    version: str | None
    since: datetime
    until: datetime | None = Field(description="End of the last hour that the monitoring has profiled; null for none.")
    reason: str = Field(description="Why there are no columns; empty where there are.")
    verdict: str | None = Field(description="What the latest monitoring run says of all columns together.")
    columns: list[ColumnState]


def comparison_routes(data: ApiData) -> APIRouter:
    """The routes that compare: versions, and data with that of the training."""
    router = APIRouter(tags=["comparison"])

    @router.get("/compare", responses=problem_responses(400, 401, 403, 404, 409, 422, 503), summary="Compare versions")
    def compare(
        versions: Annotated[
            list[str],
            Query(min_length=2, max_length=MOST_COMPARED, description="Their numbers, the first as reference."),
        ],
    ) -> ComparisonState:
        """Versions on the same test rows, which none of them was trained on: each metric with its interval, and whether
        a difference is more than chance. The first request takes seconds; the same one again does not."""
        if data.sources.compare is None:
            raise RequestError(
                "Here versions cannot be compared: the rows are not known.",
                status=403,
                code="console.no-rows",
                next_step="Start the console in the project: tiltyard console",
            )
        if len(set(versions)) < len(versions):
            raise invalid_fields([FieldProblem("versions", "names a version twice")])
        return ComparisonState.model_validate(data.sources.compare(tuple(versions)).to_dict())

    @router.get("/drift", responses=problem_responses(401, 403, 404, 422, 503), summary="The columns, then and now")
    def drift(
        since: Annotated[str | None, Query(max_length=64, description=f"Begin of the period: {_TIME}.")] = None,
        until: Annotated[str | None, Query(max_length=64, description="Its end; default: now.")] = None,
        version: Annotated[str | None, Query(max_length=64, description="Default: the champion.")] = None,
    ) -> ColumnsState:
        """Every column of the input as training saw it and as it is in a period (default: the last 7 days)."""
        return ColumnsState.model_validate(_read_columns(data, since, until, version).to_dict())

    @router.get("/drift/{column}", responses=problem_responses(401, 403, 404, 422, 503), summary="A column")
    def one_column(
        column: str,
        since: Annotated[str | None, Query(max_length=64, description=f"Begin of the period: {_TIME}.")] = None,
        until: Annotated[str | None, Query(max_length=64, description="Its end; default: now.")] = None,
        version: Annotated[str | None, Query(max_length=64, description="Default: the champion.")] = None,
    ) -> ColumnState:
        """A column as training saw it and as it is in a period."""
        view = _read_columns(data, since, until, version)
        found = view.find(column)
        if found is None:
            raise NotFoundError(
                f"There is no column '{column}'. {view.reason}".strip(),
                next_step="List them: GET /api/v1/drift",
                code="column.unknown",
            )
        return ColumnState.model_validate(found.to_dict())

    return router


def _read_columns(data: ApiData, since: str | None, until: str | None, version: str | None) -> ColumnsView:
    end = read_moment("until", until) or data.now()
    begin = read_moment("since", since) or end - USUAL_PERIOD
    if begin >= end:
        raise invalid_fields([FieldProblem("since", "has to be before 'until'")])
    monitored = data.sources.monitored() if version is None else data.sources.version(version)
    if version is not None and monitored is None:
        raise NotFoundError(
            f"There is no version '{version}'.", next_step="List them: GET /api/v1/versions", code="version.unknown"
        )
    return columns_view(data.ledger, monitored, (begin, end))
