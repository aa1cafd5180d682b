"""What asks for a person though the model is well."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.pipeline.remediation.conftest import MODEL, House, Killed, found
from tiltyard.ledger import Event, FindingRecord
from tiltyard.ledger.finding_records import finding_record
from tiltyard.notifications import Dispatcher
from tiltyard.pipeline.loop import Loop, LoopIteration
from tiltyard.pipeline.orchestration.runner import LocalFlows, QuietRunner
from tiltyard.pipeline.remediation.operational_checks import RESTARTED, check_approvals, check_processes
from tiltyard.promotion.approval import approve_version, decline_version
from tiltyard.testing import NOON

HOUR = timedelta(hours=1)


def fallen(kind: str, part: str, minutes: float) -> Event:
    return Event(kind, MODEL, NOON + timedelta(minutes=minutes), "ada", f"The {part} fell.", {"part": part})


def test_programs_that_were_started_again_are_found() -> None:
    """Deaths and hangs of the window are told by program; earlier ones are not, and without any it is clear."""
    events = [
        fallen("part-died", "console", -90),
        fallen("part-died", "loop", -5),
        fallen("worker-hung", "worker 1", -4),
        fallen("worker-hung", "worker 1", -3),
        fallen("part-hung", "server", -2),
        Event("registered", f"{MODEL}/1", NOON, "ada"),
    ]
    finding = check_processes(events, NOON - HOUR, NOON)
    assert (finding.code, finding.severity, finding.status) == (RESTARTED, "warning", "found")
    assert "loop died, worker 1 hung 2 times, server hung. The latest: The server fell." in finding.message
    assert "console" not in finding.message
    assert finding.next_step
    clear = check_processes(events, NOON, NOON + HOUR)
    assert (clear.severity, clear.status) == ("info", "clear")


def test_a_program_that_hung_is_an_alert_until_it_was_well_for_long(house: House) -> None:
    """The alert says what fell and that it was started again; it is over when nothing fell for the window."""
    found = finding_record(
        check_processes([fallen("part-hung", "server", -2)], NOON - HOUR, NOON), project=MODEL, at=NOON
    )
    (alert,) = house.responder().respond([found]).alerts
    assert alert.title.endswith("A program had to be started again")
    assert "The server fell." in alert.happened[0]
    assert alert.done == "It was started again."
    assert "tiltyard history" in alert.to_do
    clear = finding_record(check_processes([], NOON, NOON + HOUR), project=MODEL, at=NOON + HOUR)
    (over,) = house.responder().respond([clear]).alerts
    assert over.state == "cleared"


def approvals(house: House) -> list[FindingRecord]:
    now = datetime.now(UTC)
    seen = check_approvals(list(house.ledger.events(subject=MODEL)), MODEL, house.named("champion"), now)
    return [finding_record(finding, project=MODEL, at=now) for finding in seen]


def test_a_retrained_version_waits_for_approval_and_then_takes_over(house: House) -> None:
    """Where approval is asked for the loop promotes nothing: it alerts with the next command, and approve promotes."""
    told = house.responder(approval=True).respond([found("drift.verdict")])
    assert (house.named("champion"), house.named("challenger")) == ("1", None)
    assert house.kinds(f"{MODEL}/2").count("approval-requested") == 1
    assert told.actions[0].ending == "done"
    assert "waits for approval: tiltyard approve 2" in told.actions[0].summary
    responder = house.responder(approval=True)
    (alert,) = responder.respond(approvals(house)).alerts
    assert alert.title.endswith("A version waits for approval")
    assert "Version 2 passed the gates" in alert.happened[0]
    assert "tiltyard approve 2 --reason" in alert.to_do
    assert responder.respond(approvals(house)).alerts == ()
    assert house.named("champion") == "1"
    approve_version(responder._workspace, responder.workshop.project, "2", reason="it reads well")
    assert (house.named("champion"), house.named("previous")) == ("2", "1")
    (over,) = house.responder(approval=True).respond(approvals(house)).alerts
    assert over.state == "cleared"


def test_another_version_that_waits_is_told_anew(house: House) -> None:
    """An alert names who waits: when another version does, it is told again; one that was declined is no alert."""
    for _ in range(2):
        house.responder(approval=True, cooldown_minutes=0, min_new_labels=0).respond([found("drift.verdict")])
    responder = house.responder(approval=True)
    waiting = approvals(house)
    assert [finding.subject for finding in waiting] == ["version 2", "version 3"]
    responder.respond(waiting[:1])
    (alert,) = responder.respond(waiting).alerts
    assert "tiltyard approve 3" in alert.to_do
    for version in ("2", "3"):
        decline_version(responder._workspace, responder.workshop.project, version, reason="too slow")
    (over,) = responder.respond(approvals(house)).alerts
    assert over.state == "cleared"


def test_a_request_about_a_former_champion_does_not_wait(house: House) -> None:
    """A verdict on a champion that has changed since is nothing to approve."""
    house.responder(approval=True).respond([found("drift.verdict")])
    house.crown(house.register(right=False).version, before="1")
    assert [finding.status for finding in approvals(house)] == ["clear"]


def test_a_loop_that_is_killed_asks_once(tmp_path: Path) -> None:
    """Before whichever effect the loop dies: the next one asks for approval once, promotes nothing, and says so."""
    for effect in range(1, 14):
        house = House(tmp_path / str(effect))
        house.crown(house.register(right=False).version)
        house.label(5)
        with contextlib.suppress(Killed):
            house.responder(die_before=effect, approval=True).respond([found("drift.verdict")])
        told = house.responder(approval=True).respond([found("drift.verdict")])
        assert house.kinds(f"{MODEL}/2").count("approval-requested") == 1
        assert house.named("champion") == "1"
        assert "waits for approval" in " ".join(action.summary for action in told.actions)


def test_a_pass_of_the_loop_finds_who_waits(house: House) -> None:
    """What waits is among the findings of a pass, recorded and an alert."""
    responder = house.responder(approval=True)
    responder.respond([found("drift.verdict")])
    workspace, project = responder._workspace, responder.workshop.project
    loop = Loop(project, workspace, responder, Dispatcher(workspace.ledger.outbox, {}), LocalFlows(QuietRunner()))
    seen: LoopIteration = loop.once()
    assert "approval.awaited" in {finding.code for finding in seen.findings}
    assert any(alert.incident == "approval" for alert in seen.response.alerts)
