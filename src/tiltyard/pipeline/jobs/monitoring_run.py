"""One monitoring pass: look at the champion, and write down what was seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tiltyard.monitoring.monitored_version import monitored_champion
from tiltyard.monitoring.run import MonitoringResult, evaluate_period
from tiltyard.monitoring.summary import Summary, SummaryQuery, summarise
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace


def run_monitoring(
    project: Project, workspace: Workspace, *, until: datetime | None = None, record: bool = True
) -> MonitoringResult:
    """Look at a project's champion once.

    Args:
        project: names the model, the window and the limits.
        workspace: where the champion and the ledger are.
        until: end of the window, with a time zone; default: now.
        record: whether the findings are written into the ledger.

    Raises:
        ArtifactError: the champion's files are damaged or not trusted.
        UnavailableError: the registry or the ledger cannot be reached.
    """
    watched = monitored_champion(workspace.registry, project.model_name, workspace.cache, workspace.trusted_keys)
    seen = evaluate_period(project, workspace.ledger, watched, until=until or datetime.now(UTC))
    if record:
        workspace.ledger.findings.record(seen.records())
    return seen


def summarise_period(project: Project, workspace: Workspace, *, hours: float, until: datetime | None = None) -> Summary:
    """Look over the last hours of a project's model: what a report shows.

    Args:
        project: names the model, the metric and the slices.
        workspace: where the champion and the ledger are.
        hours: length of the stretch.
        until: its end, with a time zone; default: now.

    Raises:
        ArtifactError: the champion's files are damaged or not trusted.
        UnavailableError: the registry or the ledger cannot be reached.
    """
    watched = monitored_champion(workspace.registry, project.model_name, workspace.cache, workspace.trusted_keys)
    end = until or datetime.now(UTC) + timedelta(microseconds=1)
    return summarise(workspace.ledger, summary_query(project), watched, since=end - timedelta(hours=hours), until=end)


def summary_query(project: Project) -> SummaryQuery:
    """What of a project's model is looked at."""
    return SummaryQuery(
        model=project.model_name,
        metric=project.training.metric,
        positive=project.data.positive,
        slices=(*project.data.slices, *project.data.sensitive),
        fewest_rows=project.monitoring.min_rows,
    )
