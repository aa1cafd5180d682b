"""POST /batch, GET /batch and GET /batch/ID: files that the server scores as a whole, in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from tiltyard.ledger.ports import Ledger
from tiltyard.serving.auth.caller import CALLER
from tiltyard.serving.batch_jobs import BatchDesk, BatchJob, Format, JobState
from tiltyard.serving.http.openapi import body_of, problem_responses
from tiltyard.serving.http.schemas import ResponseModel
from tiltyard.serving.predict.bodies.json_body import parse_json
from tiltyard.serving.predict.bodies.json_values import ValueLimit
from tiltyard.serving.predict.components import ServerComponents
from tiltyard.serving.predict.requests import RequestHead, check_media_type
from tiltyard.serving.problem_details import RequestError

_RUNS_READ = 200
_MOST_COLUMNS = 1000
_LARGEST_BODY = 1024 * 1024
_VALUES = ValueLimit(rows=1, columns=_MOST_COLUMNS)


class BatchRequest(BaseModel):
    """A file that is to be scored."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(
        min_length=1, max_length=2048, description="A path or URL of one file that the server may read."
    )
    format: Format = Field(default="parquet", description="Format of the results.")
    columns: list[str] = Field(
        default=[], max_length=_MOST_COLUMNS, description="Columns that the results carry along; * for all."
    )
    key: str | None = Field(default=None, max_length=256, description="Column with your own key of each row.")
    probabilities: bool = Field(default=False, description="Whether the results have the probability of each class.")


class BatchJobState(ResponseModel):
    """A job, and how far it is."""

    id: str
    state: JobState
    source: str
    target: str = Field(description="The file of the results on the server; it appears when the job is done.")
    requested_at: datetime
    finished_at: datetime | None
    run_id: str | None = Field(description="Of the batch run, once it began.")
    model_version: str | None
    rows: int = Field(description="Rows that are done.")
    total: int | None = Field(description="Rows of the file, about; null where that is not known.")
    refused: int = Field(description="Rows that could not be scored.")
    alarms: list[str] = Field(description="Codes of what the run as a whole shows.")
    error: dict[str, Any] | None = Field(description="Why it failed: code, message and next step.")


class BatchJobList(ResponseModel):
    """The jobs."""

    jobs: list[BatchJobState] = Field(description="The latest first.")


def batch_routes(components: ServerComponents, desk: BatchDesk | None) -> APIRouter:
    """The routes of batch jobs; without a desk none is taken."""
    router = APIRouter(tags=["batch"])
    ledger, model_name = components.ledger, components.models.served.model_name

    @router.post(
        "/batch",
        status_code=202,
        responses=problem_responses(400, 403, 413, 415, 422, 500, 503),
        openapi_extra=body_of(BatchRequest, example={"source": "inbox/day.csv", "columns": ["order"]}),
        summary="Score a file in the background",
    )
    async def score_file(request: Request) -> BatchJobState:
        """Take a job: a file that the project file lets callers have scored ([batch] readable).

        The job outlives this server. Results appear whole on the server's disk.
        """
        head = RequestHead.from_headers(request.scope["headers"])
        check_media_type(head)
        bodies = components.predictions.bodies
        with bodies.hold() as held:
            body = await bodies.read(held, head, request.receive, _LARGEST_BODY, _parse_request)
        taking = _require(desk)
        job = await asyncio.to_thread(
            taking.take,
            body.source,
            request.scope[CALLER].name,
            kind=body.format,
            columns=body.columns,
            key=body.key,
            probabilities=body.probabilities,
        )
        return _describe(job, {})

    @router.get("/batch", responses=problem_responses(403, 500, 503), summary="The batch jobs")
    async def jobs() -> BatchJobList:
        """The jobs of the model, the latest first, with their progress."""
        found = await asyncio.to_thread(_require(desk).jobs.select)
        runs = await asyncio.to_thread(_read_runs, ledger, model_name)
        return BatchJobList(jobs=[_describe(job, runs) for job in reversed(found)])

    @router.get("/batch/{job_id}", responses=problem_responses(403, 404, 500, 503), summary="A batch job")
    async def job(job_id: str) -> BatchJobState:
        """A job: how far it is, and how it ended."""
        found = await asyncio.to_thread(_require(desk).jobs.find, job_id)
        return _describe(found, await asyncio.to_thread(_read_runs, ledger, model_name))

    return router


def _parse_request(content: bytes | bytearray) -> BatchRequest:
    return parse_json(content, BatchRequest, _VALUES)


def _require(desk: BatchDesk | None) -> BatchDesk:
    if desk is None:
        raise RequestError(
            "This server takes no batch jobs.",
            status=403,
            code="batch.off",
            next_step="Start it with: tiltyard serve, with [batch] readable in the project file",
        )
    return desk


def _read_runs(ledger: Ledger, model_name: str) -> Mapping[str, Any]:
    """The latest batch runs, by their target."""
    return {run.target: run for run in reversed(ledger.batch_runs.select(model_name=model_name, limit=_RUNS_READ))}


def _describe(job: BatchJob, runs: Mapping[str, Any]) -> BatchJobState:
    run, result = runs.get(job.target), job.result or {}
    total: int | None = None
    if run is not None:
        total = run.rows if run.finished is not None else run.evidence.get("total")
    state: Literal["waiting", "running", "done", "failed"] = job.state
    return BatchJobState(
        id=job.id,
        state=state,
        source=job.source,
        target=job.target,
        requested_at=job.requested_at,
        finished_at=job.finished_at,
        run_id=None if run is None else run.id,
        model_version=None if run is None else run.version,
        rows=0 if run is None else run.rows,
        total=total,
        refused=0 if run is None else run.refused,
        alarms=[str(one["code"]) for one in result.get("alarms", ())],
        error=job.error,
    )
