"""Alerts: one for each incident while it lasts, and a notification when it is over.

Alerts are events of the ledger; which are open is a fold over these. Notifications are stored in the same transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from tiltyard.findings import Severity
from tiltyard.jsonable import json_form, to_json_object
from tiltyard.ledger import Event, FindingRecord, Ledger, new_id
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.notifications import address_notices
from tiltyard.project import AlertsSection

RAISED = "alert-raised"
CHANGED = "alert-changed"
CLEARED = "alert-cleared"
ACKNOWLEDGED = "alert-acknowledged"
SNOOZED = "alert-snoozed"
WOKEN = "alert-woken"

_TOPICS = {RAISED: "alert.raised", CHANGED: "alert.changed", CLEARED: "alert.cleared"}
_WEIGHT: Mapping[Severity, int] = {"info": 0, "warning": 1, "error": 2}
_MAX_FINDINGS = 5
_MAX_STEPS = 2
_LONGEST = 160
"""Characters of what was found, without its evidence."""

_DIGITS = re.compile(r"(?P<version>version \d+)|\d", re.IGNORECASE)

AlertState = Literal["open", "cleared"]


@dataclass(frozen=True)
class IncidentUpdate:
    """What a monitoring run found about one kind of incident.

    Attributes:
        incident: the kind of incident; each has at most one open alert.
        title: the kind in words.
        evaluated: whether the run could evaluate it; otherwise it is neither over nor new.
        found: its findings, the gravest first; empty where nothing is wrong.
        done: what was done about it, or why nothing was, in a sentence.
    """

    incident: str
    title: str
    evaluated: bool
    found: tuple[FindingRecord, ...]
    done: str


@dataclass(frozen=True)
class AlertNote:
    """What a person said about an alert.

    Attributes:
        by: who.
        at: when.
        reason: why.
        until: until when it holds; None for as long as the alert lasts.
    """

    by: str
    at: datetime
    reason: str
    until: datetime | None = None


@json_form(also=("state",), names={"model_name": "model", "incident": "matter"})
@dataclass(frozen=True)
class Alert:
    """An alert, as of its latest notice.

    Attributes:
        id: its id in every notification about it.
        model_name: the registered model.
        incident: the kind of incident that it is about.
        severity: that of the gravest finding.
        title: one line.
        happened: what was found, a line each.
        done: what was done about it, or why nothing was.
        to_do: what a person can do about it.
        raised_at: when it was raised.
        changed_at: when its latest notice was made.
        cleared_at: when it was over; None while it lasts.
        acknowledged: who takes care of it; None for nobody. It ends when the alert gets graver.
        snoozed: who wants no notices of it, and until when; None for nobody. It ends when the alert gets graver.
    """

    id: str
    model_name: str
    incident: str
    severity: Severity
    title: str
    happened: tuple[str, ...]
    done: str
    to_do: str
    raised_at: datetime
    changed_at: datetime
    cleared_at: datetime | None = None
    acknowledged: AlertNote | None = None
    snoozed: AlertNote | None = None

    def is_snoozed(self, now: datetime) -> bool:
        """Whether somebody wants no notices of it at this time."""
        return self.snoozed is not None and self.snoozed.until is not None and now < self.snoozed.until

    def needs_attention(self, now: datetime) -> bool:
        """Whether it is open, and was neither acknowledged nor snoozed."""
        return self.state == "open" and self.acknowledged is None and not self.is_snoozed(now)

    def has_woken(self, now: datetime) -> bool:
        """Whether its snooze has ended and no notice came since."""
        until = self.snoozed.until if self.snoozed else None
        return until is not None and self.changed_at < until <= now

    @property
    def state(self) -> AlertState:
        """``open`` while the incident lasts, then ``cleared``."""
        return "open" if self.cleared_at is None else "cleared"

    @property
    def text(self) -> str:
        """The text for people: what happened, on what evidence, what was done, and what to do."""
        if self.cleared_at is not None:
            lasted = (self.cleared_at - self.raised_at).total_seconds() / 60
            return f"It is over: the latest monitoring run found nothing. It lasted {lasted:,.0f} minutes.\n{self.done}"
        parts = [*self.happened, f"What was done: {self.done}"]
        return "\n".join([*parts, f"What to do: {self.to_do}"] if self.to_do else parts)


def read_alerts(events: Iterable[Event]) -> list[Alert]:
    """All alerts that the events record, in the order in which they were raised."""
    alerts: dict[str, Alert] = {}
    for event in events:
        if event.kind in _TOPICS:
            alert = _alert_of(event)
            alerts[alert.id] = _keep_notes(alert, alerts.get(alert.id))
        elif event.kind in (ACKNOWLEDGED, SNOOZED, WOKEN) and event.evidence.get("alert_id") in alerts:
            noted = alerts[event.evidence["alert_id"]]
            alerts[noted.id] = _add_note(noted, event)
    return list(alerts.values())


def update_alerts(
    events: ModelEvents, updates: Sequence[IncidentUpdate], now: datetime, alerts: AlertsSection, *, actor: str
) -> list[Alert]:
    """Raise, change and clear a model's alerts after a monitoring run; returns those that changed.

    An alert that lasts has another notice only when it gets graver, another action is taken, or its snooze ends; while
    it is snoozed, changes are recorded without a notification. Called twice with the same run, it does nothing the
    second time.

    Args:
        events: the model's events, which hold its alerts; changed alerts are written into their ledger and its outbox.
        updates: what the run found, by kind of incident.
        now: when the run took place.
        alerts: the project's ``[alerts]``: the destinations, and the link.
        actor: who records it.
    """
    open_alerts = {alert.incident: alert for alert in read_alerts(events.read()) if alert.state == "open"}
    changed = []
    for update in updates:
        step = next_alert(open_alerts.get(update.incident), events.model_name, update, now)
        if step is not None:
            kind, alert = step
            _record_alert(events.ledger, kind, alert, now, alerts, actor)
            changed.append(alert)
    return changed


def note_action(
    events: ModelEvents, done: Mapping[str, str], now: datetime, alerts: AlertsSection, *, actor: str
) -> list[Alert]:
    """Add to open alerts what was done about them since their latest notice; returns those that changed.

    Args:
        events: the model's events, which hold its alerts; changed alerts are written into their ledger and its outbox.
        done: what was done, in a sentence, by kind of incident; other alerts stay as they are.
        now: the present.
        alerts: the project's ``[alerts]``: the destinations, and the link.
        actor: who records it.
    """
    changed = []
    for alert in read_alerts(events.read()):
        action = done.get(alert.incident, alert.done)
        if alert.state == "open" and action != alert.done:
            changed.append(replace(alert, done=action, changed_at=now))
            _record_alert(events.ledger, CHANGED, changed[-1], now, alerts, actor)
    return changed


def next_alert(alert: Alert | None, model_name: str, update: IncidentUpdate, now: datetime) -> tuple[str, Alert] | None:
    """The event kind and the alert that follow from an open alert (None for none) and an update; None for no change."""
    if not update.found:
        if alert is None or not update.evaluated:
            return None
        return CLEARED, replace(alert, changed_at=now, cleared_at=now, done=update.done or alert.done)
    severity = update.found[0].severity
    if alert is None:
        return RAISED, _build_alert(update, model_name, now)
    graver = _WEIGHT[severity] > _WEIGHT[alert.severity]
    if not graver and not alert.has_woken(now) and _without_digits(update.done) == _without_digits(alert.done):
        return None
    changed = replace(_build_alert(update, model_name, now), id=alert.id, raised_at=alert.raised_at)
    return CHANGED, _keep_notes(changed, alert)


def _keep_notes(alert: Alert, before: Alert | None) -> Alert:
    """An alert with what people said about it before, unless it has become graver since."""
    if before is None or _WEIGHT[alert.severity] > _WEIGHT[before.severity]:
        return alert
    return replace(alert, acknowledged=before.acknowledged, snoozed=before.snoozed)


def _add_note(alert: Alert, event: Event) -> Alert:
    until = event.evidence.get("until")
    note = AlertNote(event.actor, event.at, event.reason, datetime.fromisoformat(until) if until else None)
    if event.kind == ACKNOWLEDGED:
        return replace(alert, acknowledged=note)
    return replace(alert, snoozed=note if event.kind == SNOOZED else None)


def _build_alert(update: IncidentUpdate, model_name: str, now: datetime) -> Alert:
    found = update.found
    # The gravest findings say what to do; the others most often have the same cause.
    steps = dict.fromkeys(one.next_step for one in found if one.next_step and one.severity == found[0].severity)
    more = len(found) - _MAX_FINDINGS
    return Alert(
        id=new_id(),
        model_name=model_name,
        incident=update.incident,
        severity=found[0].severity,
        title=f"{model_name}: {update.title}",
        happened=(*map(_describe, found[:_MAX_FINDINGS]), *([f"… and {more} more findings."] if more > 0 else [])),
        done=update.done,
        to_do=" ".join(list(steps)[:_MAX_STEPS]),
        raised_at=now,
        changed_at=now,
    )


def _describe(finding: FindingRecord) -> str:
    """What was found, and on what evidence."""
    evidence = []
    if finding.score is not None and finding.limit is not None:
        evidence.append(f"{finding.score:.4g} against a limit of {finding.limit:.4g}")
    for name, words in (("p_value", "p ="), ("e_value", "evidence (e) ="), ("rows", "rows:"), ("labelled", "labels:")):
        value = finding.evidence.get(name)
        if isinstance(value, int | float):
            evidence.append(f"{words} {value:.3g}" if isinstance(value, float) else f"{words} {value:,}")
    about = f"version {finding.version}, {finding.subject}" if finding.version else finding.subject
    what = finding.message or finding.code
    if len(what) > _LONGEST:
        what = f"{what[: _LONGEST - 1].rstrip()}…"
    return f"{what} ({about}{'; ' if evidence else ''}{'; '.join(evidence)})"


def _without_digits(text: str) -> str:
    """A sentence without its numbers, except versions: a cooldown of fewer minutes is nothing new."""
    return _DIGITS.sub(lambda match: match.group("version") or "", text)


def _record_alert(ledger: Ledger, kind: str, alert: Alert, now: datetime, alerts: AlertsSection, actor: str) -> None:
    event = Event(
        kind=kind,
        subject=alert.model_name,
        at=now,
        actor=actor,
        reason=alert.title if alert.cleared_at is None else f"{alert.title}: it is over",
        evidence={"alert": to_json_object(alert)},
    )
    payload = {
        "title": event.reason,
        "text": alert.text,
        "link": alerts.link,
        "severity": alert.severity,
        "data": to_json_object(alert),
    }
    is_quiet = kind == CHANGED and alert.is_snoozed(now)
    ledger.append(event, [] if is_quiet else address_notices(alerts.to, _TOPICS[kind], payload, now))


def _alert_of(event: Event) -> Alert:
    data: Mapping[str, Any] = event.evidence["alert"]
    cleared = data["cleared_at"]
    return Alert(
        **{name: data[name] for name in ("id", "severity", "title", "done", "to_do")},
        model_name=data["model"],
        incident=data["matter"],
        happened=tuple(data["happened"]),
        raised_at=datetime.fromisoformat(data["raised_at"]),
        changed_at=datetime.fromisoformat(data["changed_at"]),
        cleared_at=datetime.fromisoformat(cleared) if cleared else None,
    )
