"""Incidents: the alerts of a model, with the findings behind them, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tiltyard.console.data.columns import ColumnView, columns_view
from tiltyard.ledger import FindingRecord, Ledger
from tiltyard.monitoring.monitored_version import MonitoredVersion
from tiltyard.notifications.alerts import Alert, read_alerts
from tiltyard.pipeline.remediation.incidents import incident_kind

_AROUND = timedelta(seconds=5)
_WEIGHT = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class IncidentsView:
    """The incidents of a model.

    Attributes:
        open: those that last, the ones that need attention first, then the gravest and the newest.
        past: those that are over, the latest first.
    """

    open: tuple[Alert, ...]
    past: tuple[Alert, ...]


@dataclass(frozen=True)
class IncidentDetails:
    """One incident.

    Attributes:
        alert: the incident as its latest notice has it.
        findings: what was found, the gravest first, each code and subject once.
        version: the version that it is about; None where it is about none.
        column: the column that it is about, at training and when it was found; None where it is about none.
    """

    alert: Alert
    findings: tuple[FindingRecord, ...]
    version: str | None
    column: ColumnView | None


def incidents_view(ledger: Ledger, model: str, now: datetime) -> IncidentsView:
    """The incidents of a model.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    alerts = read_alerts(ledger.events(subject=model))
    lasting = [alert for alert in alerts if alert.state == "open"]
    lasting.sort(key=lambda one: (not is_waiting(one, now), _WEIGHT.get(one.severity, 3), -one.raised_at.timestamp()))
    past = sorted((alert for alert in alerts if alert.state != "open"), key=lambda one: one.changed_at, reverse=True)
    return IncidentsView(tuple(lasting), tuple(past))


def is_waiting(alert: Alert, now: datetime) -> bool:
    """Whether an open incident waits for somebody: not where it was acknowledged or snoozed."""
    decide = getattr(alert, "needs_attention", None)
    return alert.state == "open" if decide is None else bool(decide(now))


def incident_details(
    ledger: Ledger, model: str, id_: str, read_version: Callable[[str], MonitoredVersion | None]
) -> IncidentDetails | None:
    """One incident of a model, by its id; None where the ledger has none.

    Args:
        ledger: where it is.
        model: name of the registered model.
        id_: the incident's id.
        read_version: reads a version by its number, for the picture of the column.

    Raises:
        UnavailableError: the ledger cannot be reached.
    """
    alert = next((one for one in read_alerts(ledger.events(subject=model)) if one.id == id_), None)
    if alert is None:
        return None
    findings = _find_causes(ledger, alert)
    version = next((one.version for one in findings if one.version), None)
    return IncidentDetails(alert, findings, version, _view_column(ledger, findings, version, read_version))


def _find_causes(ledger: Ledger, alert: Alert) -> tuple[FindingRecord, ...]:
    """What stands behind an alert: of one that lasts the latest findings, else those of the run that raised it."""
    if alert.state == "open":
        latest = ledger.findings.latest(project=alert.model_name, until=None)
        if found := _choose(latest, alert):
            return found
    for moment in (alert.changed_at, alert.raised_at):
        around = ledger.findings.select(
            project=alert.model_name, since=moment - _AROUND, until=moment + _AROUND, status="found"
        )
        if found := _choose(around, alert):
            return found
    return ()


def _choose(findings: Iterable[FindingRecord], alert: Alert) -> tuple[FindingRecord, ...]:
    known: dict[tuple[str, str], FindingRecord] = {}
    for one in findings:
        if one.status == "found" and one.severity != "info" and incident_kind(one) == alert.incident:
            known[one.code, one.subject] = one
    ordered = sorted(known.values(), key=lambda one: (_WEIGHT.get(one.severity, 3), one.code != "drift.verdict"))
    return tuple(ordered)


def _view_column(
    ledger: Ledger,
    findings: Iterable[FindingRecord],
    version: str | None,
    read_version: Callable[[str], MonitoredVersion | None],
) -> ColumnView | None:
    drifted = [one for one in findings if one.code.startswith("drift.") and one.code != "drift.verdict"]
    if not drifted or version is None:
        return None
    window = drifted[0].since or drifted[0].at - timedelta(days=1), drifted[0].until or drifted[0].at
    view = columns_view(ledger, read_version(version), window)
    found = [view.find(one.subject) or view.find(f"@{one.subject}") for one in drifted]
    # A column of the input tells more than a measure of all of them.
    known = sorted((one for one in found if one is not None), key=lambda one: one.name.startswith("@"))
    return known[0] if known else None
