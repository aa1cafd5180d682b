"""One monitoring run: evaluate the champion, and record the findings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tiltyard.monitoring.monitored_version import read_champion
from tiltyard.monitoring.run import MonitoringResult, evaluate_period
from tiltyard.monitoring.summary import Summary, SummaryQuery, build_summary
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace


def run_monitoring(
    project: Project, workspace: Workspace, *, until: datetime | None = None, record: bool = True
) -> MonitoringResult:
    """Evaluate a project's champion once.

    Args:
        project: names the model, the window and the limits.
        workspace: where the champion and the ledger are.
        until: end of the window, with a time zone; default: now.
        record: whether the findings are written into the ledger.

    Raises:
        ArtifactError: the champion's files are damaged or not trusted.
        UnavailableError: the registry or the ledger cannot be reached.
    """
    champion = read_champion(workspace.registry, project.model_name, workspace.cache, workspace.trusted_keys)
    result = evaluate_period(project, workspace.ledger, champion, until=until or datetime.now(UTC))
    if record:
        workspace.ledger.findings.record(result.records())
    return result


def summarise_period(project: Project, workspace: Workspace, *, hours: float, until: datetime | None = None) -> Summary:
    """Summarise the last hours of a project's model, for a report.

    Args:
        project: names the model, the metric and the slices.
        workspace: where the champion and the ledger are.
        hours: length of the period.
        until: its end, with a time zone; default: now.

    Raises:
        ArtifactError: the champion's files are damaged or not trusted.
        UnavailableError: the registry or the ledger cannot be reached.
    """
    champion = read_champion(workspace.registry, project.model_name, workspace.cache, workspace.trusted_keys)
    end = until or datetime.now(UTC) + timedelta(microseconds=1)
    query = SummaryQuery.from_project(project)
    return build_summary(workspace.ledger, query, champion, since=end - timedelta(hours=hours), until=end)
