"""Scheduled reports: every so many days, a page about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tiltyard.formatting import format_count
from tiltyard.ledger import Event
from tiltyard.monitoring.report import write_report
from tiltyard.pipeline.jobs.monitoring_run import summarise_period
from tiltyard.pipeline.orchestration.schedule import Schedule
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace

FOLDER = "reports"
RETRY = timedelta(minutes=10)


def report_if_due(project: Project, workspace: Workspace, now: datetime) -> Path | None:
    """Write the report on the last days, if the project wants reports, one is due, and no other process writes it.

    The first is due at once. It is ``reports/monitoring-DATE.html`` in the folder of the project file, and an event
    records it.

    Returns:
        The report; None where none was due.

    Raises:
        TiltyardError: the registry or the ledger cannot be reached, or the report cannot be written; it is due again in
            ten minutes.
    """
    days = project.monitoring.report_days
    if days is None:
        return None
    schedule = Schedule(workspace.ledger.leases, f"report/{project.model_name}", timedelta(days=days), workspace.actor)
    lease = schedule.begin()
    if lease is None:
        return None
    target = project.root / FOLDER / f"monitoring-{now.astimezone(UTC):%Y-%m-%d}.html"
    try:
        summary = summarise_period(project, workspace, hours=24 * days, until=now)
        file = write_report(summary, target)[0]
    except BaseException:
        schedule.retry_soon(lease, RETRY)
        raise
    reason = (
        f"A report on the last {days:g} days, {format_count(summary.stats.total, 'prediction')}: {FOLDER}/{file.name}"
    )
    workspace.ledger.append(Event("reviewed", project.model_name, now, workspace.actor, reason, {"days": days}))
    return file
