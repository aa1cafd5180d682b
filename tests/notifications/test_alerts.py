"""One alert for each incident while it lasts, and a notification when it is over."""

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


def incident_update(
    *found: FindingRecord, evaluated: bool = True, done: str = "Nothing: cooldown of 5 minutes."
) -> IncidentUpdate:
    return IncidentUpdate("drift", "The data drifted", evaluated, found, done)


def update(ledger: Ledger, seen: IncidentUpdate, hours: float = 0) -> list[Alert]:
    return update_alerts(ModelEvents(ledger, "films"), [seen], NOON + hours * HOUR, ALERTS, actor="ada")


def topics(ledger: Ledger) -> list[str]:
    return [item.notice.topic for item in reversed(ledger.outbox.items())]


@pytest.mark.requirement("R-MON-12")
def test_an_incident_has_one_notice_while_it_lasts_and_one_when_it_is_over(ledger: Ledger) -> None:
    """The same findings give one notice, an undecided run gives none, and a run without findings clears it."""
    assert len(update(ledger, incident_update(finding()))) == 1
    assert update(ledger, incident_update(finding(score=0.5)), 1) == []
    assert update(ledger, incident_update(finding(), done="Nothing: cooldown of 4 minutes."), 1) == []
    assert update(ledger, incident_update(evaluated=False), 2) == []
    (over,) = update(ledger, incident_update(), 3)
    assert (over.state, over.cleared_at) == ("cleared", NOON + 3 * HOUR)
    assert update(ledger, incident_update(), 4) == []
    assert topics(ledger) == ["alert.raised", "alert.cleared"]
    assert [alert.state for alert in read_alerts(ledger.events(subject="films"))] == ["cleared"]
    (again,) = update(ledger, incident_update(finding()), 5)
    assert again.id != over.id


def test_a_graver_finding_and_an_action_each_give_another_notice(ledger: Ledger) -> None:
    """A graver finding and an action change the alert, which keeps its id."""
    (raised,) = update(ledger, incident_update(finding()))
    (graver,) = update(ledger, incident_update(finding(severity="error")), 1)
    (acted,) = update(ledger, incident_update(finding(severity="error"), done="Version 3 was trained."), 2)
    assert raised.id == graver.id == acted.id
    assert (graver.severity, graver.raised_at) == ("error", NOON)
    assert topics(ledger) == ["alert.raised", "alert.changed", "alert.changed"]


def test_the_text_of_an_alert_names_findings_action_and_next_step(ledger: Ledger) -> None:
    """The text has the findings with their evidence, what was done, what to do, and a link."""
    update(ledger, incident_update(*(finding(subject=f"column {n}") for n in range(7))))
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


def test_a_run_that_is_handled_twice_raises_no_second_alert(ledger: Ledger) -> None:
    """The same run handled again, as after a crash, raises no second alert."""
    repeated = incident_update(finding())
    assert update(ledger, repeated)
    assert update(ledger, repeated) == []
