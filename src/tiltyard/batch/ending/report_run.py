"""What a finished run leaves in the ledger: itself, its findings, an event, and an alert where it found something."""

from __future__ import annotations

from tiltyard.batch.results import ScoreResult
from tiltyard.formatting import format_count
from tiltyard.ledger import BatchRun, Event, FindingRecord, Ledger
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.ledger.records import finding_record
from tiltyard.notifications.alerts import IncidentUpdate, update_alerts
from tiltyard.project import Project
from tiltyard.settings import this_actor

SCORED = "batch-scored"
"""Kind of the event of a finished run."""

INCIDENT = "batch"
"""Begin of the kind of incident: each target has its own, so that a good run to one clears no alert about another."""

_TITLE = "A batch run shows something"


def report_run(project: Project, ledger: Ledger, run: BatchRun, result: ScoreResult) -> None:
    """Record a finished run. Done twice, it is recorded once."""
    subject = f"{run.project}/{run.version}"
    known = ledger.batch_runs.find(run.id)
    described = any(
        event.evidence.get("run") == run.id for event in ledger.events(subject=subject, kind=SCORED, since=run.started)
    )
    actor = this_actor()
    if not described:
        ledger.append(
            Event(
                SCORED,
                subject,
                result.finished,
                actor,
                f"{result.scored:,} of {format_count(result.rows, 'row')} of {result.source} were scored to "
                f"{result.target}",
                {
                    "run": run.id,
                    "rows": result.rows,
                    "refused": result.refused,
                    "recorded": result.recorded,
                    "alarms": [found.code for found in result.alarms],
                },
            )
        )
    if known is None or known.finished is None:
        records = [
            finding_record(found, model_name=run.project, at=result.finished, version=run.version)
            for found in result.findings
        ]
        ledger.findings.record(records)
        _raise_alert(project, ledger, result, records, actor)
    ledger.batch_runs.save(run)


def _raise_alert(
    project: Project, ledger: Ledger, result: ScoreResult, records: list[FindingRecord], actor: str
) -> None:
    alarms = {(found.code, found.subject) for found in result.alarms}
    found = tuple(one for one in records if (one.code, one.subject) in alarms)
    update = IncidentUpdate(
        f"{INCIDENT}/{result.target}",
        _TITLE,
        True,
        found,
        f"Nothing: the results of run {result.run_id[:8]} are in {result.target}.",
    )
    events = ModelEvents(ledger, project.model_name)
    update_alerts(events, [update], result.finished, project.alerts, actor=actor)
