"""Scheduled deployments on a Prefect server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tiltyard.jsonable import json_form
from tiltyard.pipeline.orchestration.prefect_flows import at, check_prefect, flow_name, require_prefect
from tiltyard.pipeline.orchestration.runner import FlowKind
from tiltyard.project import Project

POOL = "tiltyard"
DEPLOYMENT = "scheduled"
ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
"""Schedules count their intervals from here, whenever and however often a deployment is made."""


@json_form(also=("every_minutes",), without=("every",))
@dataclass(frozen=True)
class PrefectDeployment:
    """A deployment as it was made.

    Attributes:
        name: ``FLOW/DEPLOYMENT``, as Prefect shows it.
        id: Prefect's id.
        every: how often it runs; None where nobody but a person starts it.
        active: False where an operator switched it off in Prefect; it stays off.
    """

    name: str
    id: str
    every: timedelta | None
    active: bool = True

    @property
    def every_minutes(self) -> float | None:
        """How often it runs, in minutes."""
        return None if self.every is None else self.every.total_seconds() / 60


def deploy(
    project: Project,
    api_url: str,
    entrypoints: Mapping[FlowKind, str],
    *,
    train_every: timedelta | None = None,
    pool: str = POOL,
) -> list[PrefectDeployment]:
    """Make or renew a deployment for each use case, and the pool of workers that runs them.

    What an operator switched off, a deployment or its schedule, stays off.

    Args:
        project: the project; it must lie at the same place on the hosts of the workers.
        api_url: address of the Prefect server's API.
        entrypoints: the flow of each use case, as ``module.function``; it takes the project's folder.
        train_every: how often training runs; None for never by itself.
        pool: name of the pool; made as one of processes if it is not there.

    Raises:
        MissingExtraError: Prefect is not installed.
        UnavailableError: the server cannot be reached.
    """
    require_prefect()
    check_prefect(api_url)
    every: dict[FlowKind, timedelta | None] = {
        "training": train_every,
        "monitoring": timedelta(minutes=project.monitoring.every_minutes),
        "response": None,
    }
    with at(api_url):
        return asyncio.run(_deploy(project, entrypoints, every, pool))


async def _deploy(
    project: Project, entrypoints: Mapping[FlowKind, str], every: Mapping[FlowKind, timedelta | None], pool: str
) -> list[PrefectDeployment]:
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.client.schemas.actions import WorkPoolCreate  # noqa: PLC0415
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    root = str(Path(project.root).resolve())
    made = []
    async with get_client() as client:
        try:
            await client.read_work_pool(pool)
        except ObjectNotFound:
            await client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        for kind, entrypoint in entrypoints.items():
            name, pause = flow_name(project, kind), every[kind]
            earlier = await _read_deployment(client, f"{name}/{DEPLOYMENT}")
            id_ = await client.create_deployment(
                flow_id=await client.create_flow_from_name(name),
                name=DEPLOYMENT,
                schedules=_make_schedules(pause, earlier),
                paused=earlier is not None and earlier.paused,
                parameters={"project": root},
                entrypoint=entrypoint,
                work_pool_name=pool,
                pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": root}}],
                # One at a time works on a model, whatever starts it.
                concurrency_limit=1,
                tags=["tiltyard", project.name],
                description=f"tiltyard: {kind} of {project.name}",
                enforce_parameter_schema=False,
            )
            on = pause is None or earlier is None or _is_on(earlier)
            made.append(PrefectDeployment(f"{name}/{DEPLOYMENT}", str(id_), pause, on))
    return made


async def _read_deployment(client: Any, name: str) -> Any | None:
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    try:
        return await client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None


def _is_on(deployment: Any) -> bool:
    """Whether neither the deployment nor its schedule was switched off; one without a schedule is on."""
    return not deployment.paused and all(one.active for one in deployment.schedules)


def _make_schedules(every: timedelta | None, earlier: Any | None) -> list[Any]:
    from prefect.client.schemas.actions import DeploymentScheduleCreate  # noqa: PLC0415
    from prefect.client.schemas.schedules import IntervalSchedule  # noqa: PLC0415

    if every is None:
        return []
    active = earlier is None or all(one.active for one in earlier.schedules)
    return [DeploymentScheduleCreate(schedule=IntervalSchedule(interval=every, anchor_date=ANCHOR), active=active)]
