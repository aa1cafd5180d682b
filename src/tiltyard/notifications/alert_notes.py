"""What people say about open alerts: that they take care of one, or want no notices of it for a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tiltyard.errors import NotFoundError, UsageError
from tiltyard.ledger import Event
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.notifications.alerts import ACKNOWLEDGED, SNOOZED, WOKEN, Alert, read_alerts

LONGEST_SNOOZE = timedelta(days=90)


def find_open_alert(alerts: Sequence[Alert], wanted: str) -> Alert:
    """The open alert of that id, or about that kind of incident, of which there is one at most.

    Raises:
        NotFoundError: there is none.
    """
    opened = [alert for alert in alerts if alert.state == "open"]
    for alert in opened:
        if wanted in (alert.id, alert.incident):
            return alert
    known = next((alert for alert in alerts if alert.id == wanted), None)
    named = ", ".join(alert.incident for alert in opened)
    raise NotFoundError(
        f"The alert '{wanted}' is over: nothing is left to do." if known else f"There is no open alert '{wanted}'.",
        next_step=f"Open alerts: {named}; see them with: tiltyard alerts" if opened else "No alert is open.",
        code="alert.unknown",
    )


def acknowledge_alert(events: ModelEvents, wanted: str, *, reason: str, actor: str) -> Alert:
    """Record that somebody takes care of an open alert; the alert as it is now.

    Args:
        events: the model's events, which hold its alerts.
        wanted: the alert's id, or its kind of incident.
        reason: why, or what is done about it.
        actor: who.

    Raises:
        NotFoundError: there is no such open alert.
        UsageError: no reason is given.
        UnavailableError: the ledger is away.
    """
    return _record_note(events, ACKNOWLEDGED, wanted, reason, actor)


def snooze_alert(events: ModelEvents, wanted: str, *, until: datetime, reason: str, actor: str) -> Alert:
    """Record that nobody wants notices of an open alert until a time; the alert as it is now.

    It stays open, and the loop acts on it as before. A graver finding ends the snooze; when it ends and the incident
    lasts, a notification says so.

    Args:
        events: as of ``acknowledge_alert``.
        wanted: likewise.
        until: the end, with a time zone; at most 90 days from now.
        reason: why.
        actor: who.

    Raises:
        NotFoundError: there is no such open alert.
        UsageError: no reason is given; or the end is past, or too far ahead.
        UnavailableError: the ledger is away.
    """
    now = datetime.now(UTC)
    if not now < until <= now + LONGEST_SNOOZE:
        days = LONGEST_SNOOZE.days
        raise UsageError(
            f"An alert cannot be snoozed until {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC.",
            next_step=f"Name a time from now on, at most {days} days ahead.",
            code="alert.snooze",
        )
    return _record_note(events, SNOOZED, wanted, reason, actor, until)


def wake_alert(events: ModelEvents, wanted: str, *, reason: str, actor: str) -> Alert:
    """Record that the snooze of an open alert ends now; the alert as it is now.

    Raises:
        NotFoundError: there is no such open alert.
        UsageError: no reason is given, or it is not snoozed.
        UnavailableError: the ledger is away.
    """
    alert = find_open_alert(read_alerts(events.read()), wanted)
    if not alert.is_snoozed(datetime.now(UTC)):
        raise UsageError(
            f"The alert '{alert.incident}' is not snoozed.",
            next_step="See the open alerts with: tiltyard alerts",
            code="alert.not-snoozed",
        )
    return _record_note(events, WOKEN, alert.id, reason, actor)


def _record_note(
    events: ModelEvents, kind: str, wanted: str, reason: str, actor: str, until: datetime | None = None
) -> Alert:
    alert = find_open_alert(read_alerts(events.read()), wanted)
    if not reason.strip():
        raise UsageError(
            "The decision gives no reason.", next_step="Say why with --reason; it is kept.", code="decision.no-reason"
        )
    evidence = {"alert_id": alert.id, "incident": alert.incident, "title": alert.title}
    if until is not None:
        evidence["until"] = until.astimezone(UTC).isoformat()
    events.ledger.append(Event(kind, events.model_name, datetime.now(UTC), actor, reason, evidence))
    return find_open_alert(read_alerts(events.read()), alert.id)
