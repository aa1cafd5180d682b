"""Alerts: one for each matter while it lasts, and a word when it is over.

Alerts are events of the ledger; which are open is a fold over these. Whoever is told is told in the same transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from tiltyard.findings import Severity
from tiltyard.ledger import Event, FindingRecord, Ledger, new_id
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.notifications import address_notices
from tiltyard.project import AlertsSection

RAISED = "alert-raised"
CHANGED = "alert-changed"
CLEARED = "alert-cleared"

_TOPICS = {RAISED: "alert.raised", CHANGED: "alert.changed", CLEARED: "alert.cleared"}
_WEIGHT: Mapping[Severity, int] = {"info": 0, "warning": 1, "error": 2}
_SHOWN = 5
_FIGURES = re.compile(r"(?P<version>version \d+)|\d", re.IGNORECASE)

AlertState = Literal["open", "cleared"]


@dataclass(frozen=True)
class IncidentUpdate:
    """What a look says about one matter.

    Attributes:
        matter: what an alert is about; there is one open alert a matter at most.
        title: the matter in words.
        judged: whether the look could judge it; a matter that it could not judge is neither over nor new.
        found: what speaks for it, gravest first; empty where nothing is wrong.
        done: what was done about it, or why nothing was, in a sentence.
    """

    matter: str
    title: str
    judged: bool
    found: tuple[FindingRecord, ...]
    done: str


@dataclass(frozen=True)
class Alert:
    """An alert, as it was told last.

    Attributes:
        id: names it in every notice about it.
        model: the registered model.
        matter: what it is about.
        severity: the gravest of what was found.
        title: one line.
        happened: what was found, a line each.
        done: what was done about it, or why nothing was.
        to_do: what a person can do about it.
        raised_at: when it was raised.
        changed_at: when it was told last.
        cleared_at: when it was over; None while it lasts.
    """

    id: str
    model: str
    matter: str
    severity: Severity
    title: str
    happened: tuple[str, ...]
    done: str
    to_do: str
    raised_at: datetime
    changed_at: datetime
    cleared_at: datetime | None = None

    @property
    def state(self) -> AlertState:
        """Whether it lasts."""
        return "open" if self.cleared_at is None else "cleared"

    @property
    def text(self) -> str:
        """What a person reads: what happened, how sure that is, what was done, and what to do."""
        if self.cleared_at is not None:
            lasted = (self.cleared_at - self.raised_at).total_seconds() / 60
            return f"It is over: the last look found nothing any more. It lasted {lasted:,.0f} minutes.\n{self.done}"
        parts = [*self.happened, f"What was done: {self.done}"]
        return "\n".join([*parts, f"What to do: {self.to_do}"] if self.to_do else parts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "id": self.id,
            "model": self.model,
            "matter": self.matter,
            "state": self.state,
            "severity": self.severity,
            "title": self.title,
            "happened": list(self.happened),
            "done": self.done,
            "to_do": self.to_do,
            "raised_at": self.raised_at.isoformat(),
            "changed_at": self.changed_at.isoformat(),
            "cleared_at": self.cleared_at.isoformat() if self.cleared_at else None,
        }


def read_alerts(events: Iterable[Event]) -> list[Alert]:
    """All alerts that the events tell of, in the order in which they were raised."""
    found: dict[str, Alert] = {}
    for event in events:
        if event.kind in _TOPICS:
            alert = _told(event)
            found[alert.id] = alert
    return list(found.values())


def update_alerts(
    events: ModelEvents, sightings: Sequence[IncidentUpdate], now: datetime, alerts: AlertsSection, *, actor: str
) -> list[Alert]:
    """Raise, change and clear a model's alerts after a look; what changed.

    An alert that lasts is told again only when it gets graver or something else is done about it. Called twice with the
    same look it does nothing the second time.

    Args:
        events: the model's events, which hold its alerts; changed alerts are written into their ledger and its outbox.
        sightings: what the look says, by matter.
        now: when the look was taken.
        alerts: the project's ``[alerts]``: who is told, and the link.
        actor: who writes it down.
    """
    open_ = {alert.matter: alert for alert in read_alerts(events.read()) if alert.state == "open"}
    changed = []
    for sighting in sightings:
        step = next_alert(open_.get(sighting.matter), events.model_name, sighting, now)
        if step is not None:
            kind, alert = step
            _tell(events.ledger, kind, alert, now, alerts, actor)
            changed.append(alert)
    return changed


def note_action(
    events: ModelEvents, done: Mapping[str, str], now: datetime, alerts: AlertsSection, *, actor: str
) -> list[Alert]:
    """Tell of open alerts what was done about them since they were told last; what changed.

    Args:
        events: the model's events, which hold its alerts; changed alerts are written into their ledger and its outbox.
        done: what was done, in a sentence, by matter; matters that are absent are left as they are.
        now: the present.
        alerts: the project's ``[alerts]``: who is told, and the link.
        actor: who writes it down.
    """
    changed = []
    for alert in read_alerts(events.read()):
        said = done.get(alert.matter, alert.done)
        if alert.state == "open" and said != alert.done:
            changed.append(replace(alert, done=said, changed_at=now))
            _tell(events.ledger, CHANGED, changed[-1], now, alerts, actor)
    return changed


def next_alert(alert: Alert | None, model: str, sighting: IncidentUpdate, now: datetime) -> tuple[str, Alert] | None:
    """What becomes of a matter's open alert (None for none) after a look; None where nothing changes."""
    if not sighting.found:
        if alert is None or not sighting.judged:
            return None
        return CLEARED, replace(alert, changed_at=now, cleared_at=now, done=sighting.done or alert.done)
    severity = sighting.found[0].severity
    if alert is None:
        return RAISED, _filled(sighting, model, now)
    graver = _WEIGHT[severity] > _WEIGHT[alert.severity]
    if not graver and _without_figures(sighting.done) == _without_figures(alert.done):
        return None
    return CHANGED, replace(_filled(sighting, model, now), id=alert.id, raised_at=alert.raised_at)


def _filled(sighting: IncidentUpdate, model: str, now: datetime) -> Alert:
    found = sighting.found
    steps = dict.fromkeys(finding.next_step for finding in found if finding.next_step)
    more = len(found) - _SHOWN
    return Alert(
        id=new_id(),
        model=model,
        matter=sighting.matter,
        severity=found[0].severity,
        title=f"{model}: {sighting.title}",
        happened=(*map(_sentence, found[:_SHOWN]), *([f"… and {more} more findings."] if more > 0 else [])),
        done=sighting.done,
        to_do=" ".join(steps),
        raised_at=now,
        changed_at=now,
    )


def _sentence(finding: FindingRecord) -> str:
    """What was found, and how sure that is."""
    sure = []
    if finding.score is not None and finding.limit is not None:
        sure.append(f"{finding.score:.4g} against a limit of {finding.limit:.4g}")
    for name, words in (("p_value", "p ="), ("e_value", "evidence (e) ="), ("rows", "rows:"), ("labelled", "labels:")):
        value = finding.evidence.get(name)
        if isinstance(value, int | float):
            sure.append(f"{words} {value:.3g}" if isinstance(value, float) else f"{words} {value:,}")
    about = f"version {finding.version}, {finding.subject}" if finding.version else finding.subject
    return f"{finding.message or finding.code} ({about}{'; ' if sure else ''}{'; '.join(sure)})"


def _without_figures(text: str) -> str:
    """A sentence without its numbers: minutes of cooldown that pass are no news. Another version is."""
    return _FIGURES.sub(lambda found: found.group("version") or "", text)


def _tell(ledger: Ledger, kind: str, alert: Alert, now: datetime, alerts: AlertsSection, actor: str) -> None:
    event = Event(
        kind=kind,
        subject=alert.model,
        at=now,
        actor=actor,
        reason=alert.title if alert.cleared_at is None else f"{alert.title}: it is over",
        evidence={"alert": alert.to_dict()},
    )
    payload = {
        "title": event.reason,
        "text": alert.text,
        "link": alerts.link,
        "severity": alert.severity,
        "data": alert.to_dict(),
    }
    ledger.append(event, address_notices(alerts.to, _TOPICS[kind], payload, now))


def _told(event: Event) -> Alert:
    known: Mapping[str, Any] = event.evidence["alert"]
    cleared = known["cleared_at"]
    return Alert(
        **{name: known[name] for name in ("id", "model", "matter", "severity", "title", "done", "to_do")},
        happened=tuple(known["happened"]),
        raised_at=datetime.fromisoformat(known["raised_at"]),
        changed_at=datetime.fromisoformat(known["changed_at"]),
        cleared_at=datetime.fromisoformat(cleared) if cleared else None,
    )
