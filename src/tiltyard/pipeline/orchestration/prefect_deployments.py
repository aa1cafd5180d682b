"""Scheduled deployments on a Prefect server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tiltyard.choices import PREFECT_POOL
from tiltyard.jsonable import json_form
from tiltyard.pipeline.orchestration.prefect_flows import at, check_prefect, flow_name, require_prefect
from tiltyard.pipeline.orchestration.runner import FlowKind
from tiltyard.project import Project
from tiltyard.project.schedule import CronSchedule
from tiltyard.project.scheduled_work import ScheduledWork, list_work

SHORTEST_CHECK_SECONDS = 60.0
MOST_DEPLOYMENTS = 200
DEPLOYMENT = "scheduled"
ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
"""Schedules count their intervals from here, whenever and however often a deployment is made."""


Rhythm = timedelta | CronSchedule | None
"""How often a deployment runs; None where nobody but a person starts it."""


@json_form(also=("every_minutes", "cron"), without=("every",))
@dataclass(frozen=True)
class PrefectDeployment:
    """A deployment as it was made.

    Attributes:
        name: ``FLOW/DEPLOYMENT``, as Prefect shows it.
        id: Prefect's id.
        every: how often it runs.
        active: False where an operator switched it off in Prefect; it stays off.
    """

    name: str
    id: str
    every: Rhythm
    active: bool = True

    @property
    def every_minutes(self) -> float | None:
        """How often it runs, in minutes; None where a cron expression says it, or a person."""
        return self.every.total_seconds() / 60 if isinstance(self.every, timedelta) else None

    @property
    def cron(self) -> str | None:
        """The cron expression and its time zone; None where there is none."""
        return f"{self.every.expression} {self.every.time_zone}" if isinstance(self.every, CronSchedule) else None


@dataclass(frozen=True)
class _Planned:
    """A deployment that is to be made."""

    kind: FlowKind
    name: str
    every: Rhythm
    parameters: Mapping[str, Any] = field(default_factory=dict)


def deploy(
    project: Project,
    api_url: str,
    entrypoints: Mapping[FlowKind, str],
    *,
    train_every: timedelta | None = None,
    pool: str = PREFECT_POOL,
) -> list[PrefectDeployment]:
    """Make or renew a deployment for each use case and each schedule, and the pool of workers that runs them.

    What a cron expression schedules runs by Prefect's clock; what waits for files, rows or labels is checked every
    minute or more, and runs where it is due. A table whose schedule the project file does not have any more loses its
    deployment's schedule.

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
    planned = [
        _Planned("training", DEPLOYMENT, train_every),
        _Planned("monitoring", DEPLOYMENT, timedelta(minutes=project.monitoring.every_minutes)),
        _Planned("response", DEPLOYMENT, None),
        *(_plan_work(project, work) for work in list_work(project) if work.trigger is not None),
    ]
    with at(api_url):
        return asyncio.run(_deploy(project, entrypoints, planned, pool))


def name_deployment(work: ScheduledWork) -> str:
    """The name of the deployment of a table or the training: ``batch-nightly``."""
    return work.name.replace("/", "-")


def _plan_work(project: Project, work: ScheduledWork) -> _Planned:
    by_clock = isinstance(work.trigger, CronSchedule)
    checks = timedelta(seconds=max(project.batch.check_seconds, SHORTEST_CHECK_SECONDS))
    every = work.trigger if isinstance(work.trigger, CronSchedule) else checks
    return _Planned("scheduled", name_deployment(work), every, {"name": work.name, "only_due": not by_clock})


async def _deploy(
    project: Project, entrypoints: Mapping[FlowKind, str], planned: Sequence[_Planned], pool: str
) -> list[PrefectDeployment]:
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.client.schemas.actions import WorkPoolCreate  # noqa: PLC0415
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    async with get_client() as client:
        try:
            await client.read_work_pool(pool)
        except ObjectNotFound:
            await client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        made = [await _create_deployment(client, project, one, entrypoints[one.kind], pool) for one in planned]
        await _unschedule_others(client, project, {one.name for one in planned})
    return made


async def _create_deployment(
    client: Any, project: Project, planned: _Planned, entrypoint: str, pool: str
) -> PrefectDeployment:
    root = str(Path(project.root).resolve())
    flow = flow_name(project, planned.kind)
    name = f"{flow}/{planned.name}"
    earlier = await _read_deployment(client, name)
    id_ = await client.create_deployment(
        flow_id=await client.create_flow_from_name(flow),
        name=planned.name,
        schedules=_make_schedules(planned.every, earlier),
        paused=earlier is not None and earlier.paused,
        parameters={"project": root, **planned.parameters},
        entrypoint=entrypoint,
        work_pool_name=pool,
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": root}}],
        # One at a time works on a model, whatever starts it.
        concurrency_limit=1,
        tags=["tiltyard", project.name],
        description=f"tiltyard: {planned.parameters.get('name', planned.kind)} of {project.name}",
        enforce_parameter_schema=False,
    )
    on = planned.every is None or earlier is None or _is_on(earlier)
    return PrefectDeployment(name, str(id_), planned.every, on)


async def _unschedule_others(client: Any, project: Project, kept: Set[str]) -> None:
    """Remove the schedules of work that the project file does not schedule any more."""
    from prefect.client.schemas import filters  # noqa: PLC0415
    from prefect.client.schemas.sorting import DeploymentSort  # noqa: PLC0415

    flow = filters.FlowFilter(name=filters.FlowFilterName(any_=[flow_name(project, "scheduled")]))
    # The server refuses the client's own defaults of limit and sort.
    found = await client.read_deployments(flow_filter=flow, limit=MOST_DEPLOYMENTS, sort=DeploymentSort.NAME_ASC)
    for deployment in found:
        if deployment.name not in kept:
            for schedule in deployment.schedules:
                await client.delete_deployment_schedule(deployment.id, schedule.id)


async def _read_deployment(client: Any, name: str) -> Any | None:
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    try:
        return await client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None


def _is_on(deployment: Any) -> bool:
    """Whether neither the deployment nor its schedule was switched off; one without a schedule is on."""
    return not deployment.paused and all(one.active for one in deployment.schedules)


def _make_schedules(every: Rhythm, earlier: Any | None) -> list[Any]:
    from prefect.client.schemas.actions import DeploymentScheduleCreate  # noqa: PLC0415
    from prefect.client.schemas.schedules import CronSchedule as PrefectCron  # noqa: PLC0415
    from prefect.client.schemas.schedules import IntervalSchedule  # noqa: PLC0415

    if every is None:
        return []
    active = earlier is None or all(one.active for one in earlier.schedules)
    if isinstance(every, CronSchedule):
        # As cron has it: either of day and weekday is enough where both are named.
        cron = PrefectCron(cron=every.expression, timezone=every.time_zone, day_or=True)
        return [DeploymentScheduleCreate(schedule=cron, active=active)]
    return [DeploymentScheduleCreate(schedule=IntervalSchedule(interval=every, anchor_date=ANCHOR), active=active)]
