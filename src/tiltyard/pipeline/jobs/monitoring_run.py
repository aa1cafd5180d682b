"""One monitoring run: evaluate the champion, and record the findings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tiltyard.findings import Finding
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.monitoring.findings_from_run import DEGRADATION, LATENCY
from tiltyard.monitoring.monitored_version import read_champion
from tiltyard.monitoring.run import MonitoringResult, evaluate_period
from tiltyard.monitoring.summary import Summary, SummaryQuery, build_summary
from tiltyard.pipeline.remediation.history import History, read_history
from tiltyard.project import Project
from tiltyard.promotion.context import Workspace
from tiltyard.registry.alias_history import keeps_decisions, unfinished_changes
from tiltyard.registry.outside_changes import UNEXPLAINED, missing_champion, unexplained_champion


def run_monitoring(
    project: Project,
    workspace: Workspace,
    *,
    until: datetime | None = None,
    record: bool = True,
    events: ModelEvents | None = None,
) -> MonitoringResult:
    """Evaluate a project's champion once, and whether a decision made it champion.

    Args:
        project: names the model, the window and the limits.
        workspace: where the champion and the ledger are.
        until: end of the window, with a time zone; default: now.
        record: whether the findings are written into the ledger.
        events: the model's events, as far as the caller has read them.

    Raises:
        ArtifactError: the champion's files are damaged or not trusted.
        UnavailableError: the registry or the ledger cannot be reached.
    """
    champion = read_champion(workspace.registry, project.model_name, workspace.cache, workspace.trusted_keys)
    result = evaluate_period(project, workspace.ledger, champion, until=until or datetime.now(UTC))
    known = events or ModelEvents(workspace.ledger, project.model_name)
    result = result.add_findings(_check_alias(workspace, known, project.model_name))
    result = _advise_rollback(result, read_history(known.read(), project.model_name))
    if record:
        workspace.ledger.findings.record(result.records())
    return result


def _advise_rollback(result: MonitoringResult, history: History) -> MonitoringResult:
    """Add how to roll back to what a rollback may help against, where a version is left that it may go to."""
    target = history.rollback_target
    if target is None or history.champion != result.version:
        return result
    command = f"tiltyard rollback --to {target} --reason …"
    advice = {DEGRADATION: f"Or roll back: {command}", LATENCY: f"Roll back if this version is slower: {command}"}
    return replace(
        result,
        findings=tuple(
            replace(found, next_step=f"{found.next_step} {advice[found.code]}")
            if found.is_found and found.code in advice
            else found
            for found in result.findings
        ),
    )


def _check_alias(workspace: Workspace, events: ModelEvents, name: str) -> list[Finding]:
    """Whether the champion is the one that the decisions name; nothing where this ledger keeps no decisions."""
    seen = events.read()
    if not keeps_decisions(seen):
        return []
    champion = workspace.registry.champion(name)
    if champion is None:
        found = missing_champion(seen, workspace.registry, name)
    else:
        found = unexplained_champion(seen, champion, unfinished_changes(workspace.ledger, name))
    return [
        found
        or Finding(
            UNEXPLAINED, "info", name, message="The champion is the one that the decisions name.", status="clear"
        )
    ]


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
