"""The first page: what needs a person, and how the model has done; and the incidents."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.console.conftest import MODEL, Reader, Serve, running
from tiltyard.console.actions import ACTIONS, ActionDesk, OfferedAction
from tiltyard.console.data.incidents import incident_details, incidents_view
from tiltyard.console.data.overview import overview_view
from tiltyard.console.data.period import WINDOWS
from tiltyard.console.layout.offers import draw_offers
from tiltyard.console.layout.page import PageData
from tiltyard.console.sign_in import console_guard
from tiltyard.ledger import Event, FindingRecord, Label, LabelRequest
from tiltyard.ledger.model_events import ModelEvents
from tiltyard.notifications.alerts import IncidentUpdate, read_alerts, update_alerts
from tiltyard.project import AlertsSection, Project
from tiltyard.promotion.context import Workspace
from tiltyard.serving.auth import KeyFile, NewKey
from tiltyard.testing import MemoryLedger, make_event, make_finding, make_prediction
from tiltyard.testing.registry import MemoryRegistry

pytest.importorskip("dash")


def raise_alert(ledger: MemoryLedger, at: datetime, *findings: FindingRecord) -> str:
    """Store findings and raise the alert that follows from them; its id."""
    ledger.findings.record(list(findings))
    update = IncidentUpdate("drift", "The data drifted", True, findings, "Nothing was done.")
    (alert,) = update_alerts(ModelEvents(ledger, MODEL), [update], at, AlertsSection(), actor="loop")
    return alert.id


def drift(at: datetime, **changes: Any) -> FindingRecord:
    usual = {"code": "drift.number", "subject": "age", "severity": "warning", "score": 0.4, "limit": 0.1}
    evidence = {"p_value": 0.0004, "rows": 500, "reference_rows": 900}
    return make_finding(**{**usual, "at": at, "message": "The ages moved", "evidence": evidence, **changes})


def test_the_overview_names_what_needs_a_person(serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger) -> None:
    """Open incidents, and labels that were requested and have not come, stand first; a label that came does not."""
    now = datetime.now(UTC)
    rows = [make_prediction(at=now - timedelta(minutes=5)) for _ in range(3)]
    ledger.record(rows)
    ledger.label_requests.record([LabelRequest("q", row.id, now, "random", 0.5) for row in rows])
    ledger.record_labels([Label(rows[0].id, "good", now, "ada")])
    alert = raise_alert(ledger, now, drift(now))
    shown = json.dumps(serve(registry, ledger).render("overview")["overview-needs"])
    for words in (
        "The data drifted",
        f"/incidents/{alert}",
        "The ages moved",
        "2 predictions wait for a label",
        "No champion",
    ):
        assert words in shown
    assert "All quiet" not in shown


def test_a_quiet_model_says_so(serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger, add_version: Any) -> None:
    """Without an incident the page says that all is quiet, and when the monitoring looked."""
    add_version("champion", accuracy=0.9)
    ledger.append(make_event(subject=f"{MODEL}/1", kind="promoted", evidence={"alias": "champion"}))
    ledger.findings.record([make_finding(status="clear", severity="info", at=datetime(2026, 3, 1, 9, tzinfo=UTC))])
    shown = json.dumps(serve(registry, ledger).render("overview")["overview-needs"])
    assert "All quiet" in shown
    assert "2026-03-01 09:00" in shown


def test_performance_comes_from_monitoring_runs_alone(films: Project, ledger: MemoryLedger) -> None:
    """The points are what each run found, with intervals; the level of training and promotions are there too."""
    now = datetime.now(UTC)
    for hours, value in ((3, 0.9), (2, 0.85)):
        evidence = {"metric": "accuracy", "baseline": 0.92, "value": value, "interval": [value - 0.05, value + 0.04]}
        at = now - timedelta(hours=hours)
        ledger.findings.record(
            [make_finding(code="performance.degradation", subject="accuracy", status="clear", at=at, evidence=evidence)]
        )
        ledger.findings.record(
            [make_finding(code="performance.estimate", subject="accuracy", status="clear", at=at, evidence=evidence)]
        )
    ledger.append(Event("promoted", f"{MODEL}/2", now - timedelta(hours=1), "ada", evidence={"alias": "champion"}))
    track = overview_view(ledger, films, WINDOWS["day"], now).performance
    assert [one.value for one in track.measured] == [0.9, 0.85]
    assert [one.low for one in track.measured] == pytest.approx([0.85, 0.8])
    assert [one.high for one in track.measured] == pytest.approx([0.94, 0.89])
    assert len(track.estimated) == 2
    assert track.baseline == 0.92
    assert [mark.words for mark in track.marks] == ["v2 promoted"]


def test_failed_requests_are_counted_over_the_runs(films: Project, ledger: MemoryLedger) -> None:
    """Errors are those of the model and the server; requests that a caller got wrong are none."""
    now = datetime.now(UTC)
    outcomes = {"predicted": 90, "model-error": 6, "overload": 4, "refused": 50}
    for minutes in (10, 5):
        ledger.findings.record(
            [
                make_finding(
                    code="operations.failures",
                    subject="requests",
                    status="clear",
                    at=now - timedelta(minutes=minutes),
                    evidence={"outcomes": outcomes},
                )
            ]
        )
    view = overview_view(ledger, films, WINDOWS["day"], now)
    assert (view.failed, view.requests) == (20, 200)


def test_an_incident_has_a_page_with_each_finding_once(
    serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger
) -> None:
    """What happened, how sure it is, what was done and the evidence are on it; a finding of two runs stands once."""
    now = datetime.now(UTC)
    alert = raise_alert(ledger, now - timedelta(hours=1), drift(now - timedelta(hours=1)))
    ledger.findings.record([drift(now, message="The ages moved more")])
    reader = serve(registry, ledger)
    shown = reader.render("incident", None, alert)
    found = json.dumps(shown["incident-happened"], ensure_ascii=False)
    assert found.count("The ages moved") == 1
    assert "The ages moved more" in found
    assert "p-value 0.0004" in found
    assert "Nothing was done." in json.dumps(shown["incident-done"])
    evidence = json.dumps(shown["incident-evidence"])
    for words in ("drift.number", "0.4", "0.1", '"500"', '"900"', "As JSON"):
        assert words in evidence
    assert "No such incident" in json.dumps(reader.render("incident", None, "nobody"))


def test_past_incidents_are_apart_from_open_ones(serve: Serve, registry: MemoryRegistry, ledger: MemoryLedger) -> None:
    """An incident that is over is listed as past, and has its page still."""
    now = datetime.now(UTC)
    alert = raise_alert(ledger, now - timedelta(hours=2), drift(now - timedelta(hours=2)))
    over = IncidentUpdate("drift", "The data drifted", True, (), "The source was repaired.")
    update_alerts(ModelEvents(ledger, MODEL), [over], now, AlertsSection(), actor="loop")
    reader = serve(registry, ledger)
    assert "All quiet" in json.dumps(reader.render("incidents")["incidents-instead"])
    assert alert in json.dumps(reader.render("incidents", None, "?state=past")["incidents-list"])
    assert "The source was repaired." in json.dumps(reader.render("incident", None, alert)["incident-done"])
    assert incidents_view(ledger, MODEL, now).open == ()


def test_another_models_incident_is_not_shown(ledger: MemoryLedger) -> None:
    """An incident of another model in the same ledger has no page here."""
    now = datetime.now(UTC)
    alert = raise_alert(ledger, now, drift(now))
    assert incident_details(ledger, "books", alert, lambda _: None) is None
    assert read_alerts(ledger.events(subject=MODEL))[0].id == alert


def test_what_can_be_done_is_a_button_and_what_cannot_says_why(films: Project) -> None:
    """Each offered action is a button with its command; a refused one is disabled next to the reason."""
    command = "tiltyard promote 2"
    offers = [
        OfferedAction(ACTIONS["promote"], {"version": "2"}, "", command),
        OfferedAction(ACTIONS["approve"], {"version": "2"}, "It has not asked.", "tiltyard approve 2"),
    ]
    data = PageData(films, MemoryRegistry(), MemoryLedger(), offers=lambda about, subject: offers)
    drawn = _write(draw_offers(data, "version", "2"))
    for words in (command, ACTIONS["promote"].title, ACTIONS["approve"].title, "It has not asked."):
        assert words in drawn
    assert drawn.count('"disabled": true') == 1
    assert command not in _write(draw_offers(data, "version", "2", only=("approve",)))
    assert draw_offers(replace(data, offers=lambda about, subject: ()), "version", "2") == []


def test_what_a_role_may_not_do_says_which_role_may(
    films: Project, registry: MemoryRegistry, ledger: MemoryLedger, add_version: Any, tmp_path: Path
) -> None:
    """A viewer's buttons are disabled and name the role that they take; those of an operator can be pressed."""
    add_version("champion", accuracy=0.9)
    add_version(accuracy=0.91)
    file = KeyFile(tmp_path / "keys.json")
    keys = {"viewer": NewKey.generate(["read"]), "operator": NewKey.generate(["read", "feedback", "operate"])}
    for made in keys.values():
        file.add(made.key)
    desk = ActionDesk(films, Workspace(registry, ledger, tmp_path / "cache", (), "tester"))
    guard = console_guard(films.serving, file.path, "127.0.0.1")
    shown = {}
    with running(films, registry, ledger, guard=guard, desk=desk) as reader:
        for name, made in keys.items():
            reader.client.headers["X-API-Key"] = made.token
            shown[name] = json.dumps(reader.render("version", None, "2")["version-actions"])
    assert shown["viewer"].count('"disabled": true') == shown["viewer"].count('"Button"') > 0
    assert "operator" in shown["viewer"]
    assert shown["operator"].count('"disabled": true') < shown["operator"].count('"Button"')


def _write(parts: list[Any]) -> str:
    return json.dumps(parts, default=lambda part: part.to_plotly_json(), ensure_ascii=False)


def test_a_console_without_versions_names_the_first_steps(films: Project) -> None:
    """A new project's first page names the commands that begin."""
    with running(films, MemoryRegistry(), MemoryLedger()) as reader:
        page: Reader = reader
        assert "tiltyard train --champion" in json.dumps(page.render("overview")["overview-instead"])
