"""One alert a matter while it lasts, and a word when it is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tiltyard.ledger import FindingRecord, Ledger, new_id
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.notifications.alerts import Alert, IncidentUpdate, read_alerts, update_alerts
from tiltyard.project import AlertsSection
from tiltyard.testing import NOON, MemoryLedger

HOUR = timedelta(hours=1)
ALERTS = AlertsSection(to=("log",), link="http://127.0.0.1:8050")


@pytest.fixture
def ledger() -> Ledger:
    return MemoryLedger()


def finding(**changes: Any) -> FindingRecord:
    fields: dict[str, Any] = {
        "code": "drift.verdict",
        "severity": "warning",
        "subject": "all",
        "version": "2",
        "score": 0.4,
        "limit": 0.1,
        "message": "The texts got shorter.",
        "evidence": {"p_value": 0.0001, "rows": 1200},
        "next_step": "Look at them.",
    }
    return FindingRecord(id=new_id(), at=NOON, project="films", **(fields | changes))


def sighting(
    *found: FindingRecord, judged: bool = True, done: str = "Nothing: cooldown of 5 minutes."
) -> IncidentUpdate:
    return IncidentUpdate("drift", "The data drifted", judged, found, done)


def update(ledger: Ledger, seen: IncidentUpdate, hours: float = 0) -> list[Alert]:
    return update_alerts(ModelEvents(ledger, "films"), [seen], NOON + hours * HOUR, ALERTS, actor="ada")


def topics(ledger: Ledger) -> list[str]:
    return [parcel.notice.topic for parcel in reversed(ledger.outbox.items())]


def test_an_alert_is_told_once_while_it_lasts_and_when_it_is_over(ledger: Ledger) -> None:
    """Looks that see the same tell it once; one that cannot judge tells nothing; one that sees it gone clears it."""
    assert len(update(ledger, sighting(finding()))) == 1
    assert update(ledger, sighting(finding(score=0.5)), 1) == []
    assert update(ledger, sighting(finding(), done="Nothing: cooldown of 4 minutes."), 1) == []
    assert update(ledger, sighting(judged=False), 2) == []
    (over,) = update(ledger, sighting(), 3)
    assert (over.state, over.cleared_at) == ("cleared", NOON + 3 * HOUR)
    assert update(ledger, sighting(), 4) == []
    assert topics(ledger) == ["alert.raised", "alert.cleared"]
    assert [alert.state for alert in read_alerts(ledger.events(subject="films"))] == ["cleared"]
    (again,) = update(ledger, sighting(finding()), 5)
    assert again.id != over.id


def test_an_alert_that_gets_graver_or_is_acted_on_is_told_again(ledger: Ledger) -> None:
    """What is graver, and what is done about it, is news; both stay the same alert."""
    (raised,) = update(ledger, sighting(finding()))
    (graver,) = update(ledger, sighting(finding(severity="error")), 1)
    (acted,) = update(ledger, sighting(finding(severity="error"), done="Version 3 was trained."), 2)
    assert raised.id == graver.id == acted.id
    assert (graver.severity, graver.raised_at) == ("error", NOON)
    assert topics(ledger) == ["alert.raised", "alert.changed", "alert.changed"]


def test_what_a_person_reads(ledger: Ledger) -> None:
    """An alert says what happened, how sure that is, what was done, what to do, and where to look."""
    update(ledger, sighting(*(finding(subject=f"column {n}") for n in range(7))))
    payload = ledger.outbox.items()[0].notice.payload
    assert payload["title"] == "films: The data drifted"
    assert payload["link"] == "http://127.0.0.1:8050"
    lines = payload["text"].splitlines()
    assert lines[0] == (
        "The texts got shorter. (version 2, column 0; 0.4 against a limit of 0.1; p = 0.0001; rows: 1,200)"
    )
    assert lines[5:] == [
        "… and 2 more findings.",
        "What was done: Nothing: cooldown of 5 minutes.",
        "What to do: Look at them.",
    ]


def test_nobody_is_told_twice_by_a_look_that_was_cut_off(ledger: Ledger) -> None:
    """The same look handled again, as after a crash, raises nothing again."""
    look = sighting(finding())
    assert update(ledger, look)
    assert update(ledger, look) == []
