"""People acknowledge and snooze alerts: what they said stays on record, and a snoozed alert sends no notices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.notifications.test_alerts import ALERTS, finding, incident_update, topics
from tests.postgres import PostgresServer
from tiltyard.errors import NotFoundError, UsageError
from tiltyard.ledger import Ledger, SqlLedger
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.notifications.alert_notes import LONGEST_SNOOZE, acknowledge_alert, snooze_alert, wake_alert
from tiltyard.notifications.alerts import Alert, IncidentUpdate, read_alerts, update_alerts

HOUR = timedelta(hours=1)


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/ledger.db"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database()
    with SqlLedger.open(url) as opened:
        yield opened


def update(ledger: Ledger, seen: IncidentUpdate, at: datetime) -> list[Alert]:
    return update_alerts(ModelEvents(ledger, "films"), [seen], at, ALERTS, actor="loop")


def read(ledger: Ledger) -> Alert:
    (alert,) = read_alerts(ledger.events(subject="films"))
    return alert


def test_an_acknowledged_alert_says_who_takes_care_of_it(ledger: Ledger) -> None:
    """Who acknowledged an alert, when and why is on the chain of decisions, and ends when the alert gets graver."""
    now = datetime.now(UTC)
    (raised,) = update(ledger, incident_update(finding()), now)
    assert read(ledger).needs_attention(now)
    noted = acknowledge_alert(ModelEvents(ledger, "films"), "drift", reason="the new shop", actor="ada")
    assert noted.acknowledged is not None
    assert (noted.id, noted.acknowledged.by, noted.acknowledged.reason) == (raised.id, "ada", "the new shop")
    assert not read(ledger).needs_attention(now)
    event = list(ledger.events(subject="films"))[-1]
    assert (event.kind, event.actor, event.reason) == ("alert-acknowledged", "ada", "the new shop")
    assert ledger.verify_events() == []
    update(ledger, incident_update(finding(severity="error")), now + HOUR)
    assert read(ledger).needs_attention(now + HOUR)


@pytest.mark.requirement("R-MORE-23")
def test_a_snoozed_alert_sends_no_notices_until_it_wakes(ledger: Ledger) -> None:
    """Another action is recorded without a notification; when the snooze ends and the incident lasts, there is one."""
    now = datetime.now(UTC)
    update(ledger, incident_update(finding()), now)
    events = ModelEvents(ledger, "films")
    snoozed = snooze_alert(events, "drift", until=now + 3 * HOUR, reason="known", actor="ada")
    assert snoozed.is_snoozed(now + HOUR)
    assert not snoozed.needs_attention(now + HOUR)
    (changed,) = update(ledger, incident_update(finding(), done="Version 3 was trained."), now + HOUR)
    assert changed.done == read(ledger).done == "Version 3 was trained."
    assert topics(ledger) == ["alert.raised"]
    assert update(ledger, incident_update(finding(), done="Version 3 was trained."), now + 2 * HOUR) == []
    assert len(update(ledger, incident_update(finding(), done="Version 3 was trained."), now + 4 * HOUR)) == 1
    assert update(ledger, incident_update(finding(), done="Version 3 was trained."), now + 5 * HOUR) == []
    assert topics(ledger) == ["alert.raised", "alert.changed"]
    assert read(ledger).needs_attention(now + 4 * HOUR)


def test_a_graver_finding_ends_a_snooze_and_the_end_is_notified(ledger: Ledger) -> None:
    """A graver finding has its notice at once, and so has the end of a snoozed incident."""
    now = datetime.now(UTC)
    update(ledger, incident_update(finding()), now)
    snooze_alert(ModelEvents(ledger, "films"), "drift", until=now + 9 * HOUR, reason="known", actor="ada")
    update(ledger, incident_update(finding(severity="error")), now + HOUR)
    assert read(ledger).snoozed is None
    snooze_alert(ModelEvents(ledger, "films"), "drift", until=now + 9 * HOUR, reason="known", actor="ada")
    update(ledger, incident_update(), now + 2 * HOUR)
    assert topics(ledger) == ["alert.raised", "alert.changed", "alert.cleared"]


def test_a_person_ends_a_snooze(ledger: Ledger) -> None:
    """A snooze is ended by a person, once, with a reason."""
    now = datetime.now(UTC)
    update(ledger, incident_update(finding()), now)
    events = ModelEvents(ledger, "films")
    alert = snooze_alert(events, "drift", until=now + HOUR, reason="known", actor="ada")
    assert wake_alert(events, alert.id, reason="not known", actor="bob").snoozed is None
    with pytest.raises(UsageError, match="is not snoozed"):
        wake_alert(events, alert.id, reason="again", actor="bob")


def test_what_cannot_be_said_of_an_alert_is_refused(ledger: Ledger) -> None:
    """Without a reason, about no open alert, or until an impossible time nothing is recorded."""
    now = datetime.now(UTC)
    events = ModelEvents(ledger, "films")
    with pytest.raises(NotFoundError, match="no open alert 'drift'"):
        acknowledge_alert(events, "drift", reason="why", actor="ada")
    (raised,) = update(ledger, incident_update(finding()), now)
    with pytest.raises(UsageError, match="no reason"):
        acknowledge_alert(events, "drift", reason="  ", actor="ada")
    for end in (now - HOUR, now + LONGEST_SNOOZE + HOUR):
        with pytest.raises(UsageError, match="cannot be snoozed until"):
            snooze_alert(events, "drift", until=end, reason="why", actor="ada")
    update(ledger, incident_update(), now + HOUR)
    with pytest.raises(NotFoundError, match="is over"):
        acknowledge_alert(events, raised.id, reason="why", actor="ada")
    assert [event.kind for event in ledger.events(subject="films")] == ["alert-raised", "alert-cleared"]
