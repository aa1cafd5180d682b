"""Whether the scheduled deployments on a Prefect server do run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from tiltyard.pipeline.orchestration.prefect_deployments import DEPLOYMENT, name_deployment
from tiltyard.pipeline.orchestration.prefect_flows import at, check_prefect, flow_name, require_prefect
from tiltyard.pipeline.orchestration.runner import FlowKind
from tiltyard.project import Project
from tiltyard.project.schedule import CronSchedule
from tiltyard.project.scheduled_work import list_work

_KINDS: tuple[FlowKind, ...] = ("training", "monitoring", "response")
OVERDUE_INTERVALS = 2
_CRON_TIMES = 10
MOST_COUNTED = 200


@dataclass(frozen=True)
class ScheduleState:
    """A deployment with a schedule.

    Attributes:
        name: ``FLOW/DEPLOYMENT``.
        every: how often it is to run.
        active: False where an operator switched the schedule or the deployment off.
        last_run: when its latest run began, UTC; None if none did.
        since: from when on runs were to be expected, UTC: when the schedule was made or changed last.
        waiting: runs that are due and that no worker took, at most 200.
        pool: the pool whose workers run it.
    """

    name: str
    every: timedelta
    active: bool
    last_run: datetime | None
    since: datetime
    waiting: int
    pool: str

    def is_overdue(self, now: datetime) -> bool:
        """Whether it is active and no run began for two intervals."""
        latest = max(self.since, self.last_run) if self.last_run is not None else self.since
        return self.active and now - latest > OVERDUE_INTERVALS * self.every


def read_schedules(project: Project, api_url: str) -> list[ScheduleState]:
    """The scheduled deployments of a project; empty where none was made.

    Raises:
        MissingExtraError: Prefect is not installed.
        UnavailableError: the server cannot be reached.
    """
    require_prefect()
    check_prefect(api_url)
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - Prefect is imported when it is used
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    names = [f"{flow_name(project, kind)}/{DEPLOYMENT}" for kind in _KINDS]
    names += [f"{flow_name(project, 'scheduled')}/{name_deployment(work)}" for work in list_work(project)]
    found: list[ScheduleState] = []
    with at(api_url), get_client(sync_client=True) as client:
        for name in names:
            try:
                deployment = client.read_deployment_by_name(name)
            except ObjectNotFound:
                continue
            found += [_read_state(client, name, deployment, planned) for planned in deployment.schedules[:1]]
    return found


def _find_interval(schedule: Any) -> timedelta:
    """From one run to the next; of a cron expression the longest time of the next ones."""
    if getattr(schedule, "interval", None):
        return timedelta(seconds=schedule.interval.total_seconds())
    cron = CronSchedule(schedule.cron, schedule.timezone or "UTC")
    times = [cron.find_next(datetime.now(UTC))]
    for _ in range(_CRON_TIMES):
        times.append(cron.find_next(times[-1]))
    return max(later - earlier for earlier, later in pairwise(times))


def _read_state(client: Any, name: str, deployment: Any, planned: Any) -> ScheduleState:
    from prefect.client.schemas import filters  # noqa: PLC0415
    from prefect.client.schemas.objects import StateType  # noqa: PLC0415
    from prefect.client.schemas.sorting import FlowRunSort  # noqa: PLC0415

    own = filters.DeploymentFilter(id=filters.DeploymentFilterId(any_=[deployment.id]))
    began = filters.FlowRunFilter(start_time=filters.FlowRunFilterStartTime(is_null_=False))
    latest = client.read_flow_runs(
        flow_run_filter=began, deployment_filter=own, sort=FlowRunSort.START_TIME_DESC, limit=1
    )
    due = filters.FlowRunFilter(
        state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=filters.FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
    )
    waiting = client.read_flow_runs(
        flow_run_filter=due, deployment_filter=own, sort=FlowRunSort.START_TIME_DESC, limit=MOST_COUNTED
    )
    return ScheduleState(
        name=name,
        every=_find_interval(planned.schedule),
        active=planned.active and not deployment.paused,
        last_run=latest[0].start_time if latest else None,
        since=max(time for time in (planned.created, planned.updated, deployment.created) if time is not None),
        waiting=len(waiting),
        pool=deployment.work_pool_name or "",
    )
