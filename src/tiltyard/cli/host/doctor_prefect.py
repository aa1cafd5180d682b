"""``tiltyard doctor``: whether Prefect's scheduled deployments run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tiltyard.cli.host.doctor_decisions import Check
from tiltyard.errors import TiltyardError
from tiltyard.formatting import format_count

if TYPE_CHECKING:
    from tiltyard.pipeline.orchestration.prefect_schedules import ScheduleState
    from tiltyard.project import Project
    from tiltyard.settings import Settings


def check_prefect_schedules(project: Project, settings: Settings) -> Iterator[Check]:
    """One check for each scheduled deployment; none where no Prefect server is named."""
    from tiltyard.pipeline.orchestration.prefect_schedules import read_schedules

    if settings.prefect_api_url is None:
        return
    try:
        schedules = read_schedules(project, settings.prefect_api_url)
    except TiltyardError as error:
        yield Check("prefect", "wrong", error.message, error.next_step)
        return
    if not schedules:
        yield Check("prefect", "note", "no deployment has a schedule", "To make them: tiltyard prefect deploy")
    now = datetime.now(UTC)
    for schedule in schedules:
        yield describe_schedule(schedule, now)


def describe_schedule(schedule: ScheduleState, now: datetime) -> Check:
    """What ``doctor`` says of one schedule."""
    from tiltyard.pipeline.orchestration.prefect_schedules import OVERDUE_INTERVALS

    planned = f"{schedule.name} (every {schedule.every})"
    last = f"the last began at {schedule.last_run:%Y-%m-%d %H:%M:%S UTC}" if schedule.last_run else "none ever began"
    if not schedule.active:
        return Check("prefect", "note", f"{planned} is switched off; {last}", "To switch it on, use Prefect's pages.")
    if not schedule.is_overdue(now):
        return Check("prefect", "ok", f"{planned}: {last}")
    worker = f"prefect worker start --pool {schedule.pool}"
    if schedule.waiting:
        found = f"{format_count(schedule.waiting, 'run')} that are due wait for a worker"
        next_step = f"Start a worker: {worker}. It runs once for all that were missed."
    else:
        found = "the server's scheduler made none that is due"
        next_step = (
            "Read the log of the Prefect server (errors of its service Scheduler); its packages may not fit together: "
            f"pip install 'tiltyard[prefect]' there too. Then: {worker}"
        )
    return Check(
        "prefect", "wrong", f"{planned} has had no run for {OVERDUE_INTERVALS} intervals: {last}; {found}", next_step
    )
