"""What asks for a person though the model is well."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.pipeline.remediation.conftest import MODEL, Killed, ModelEnv, found
from tiltyard.ledger import Event, FindingRecord
from tiltyard.ledger.records import finding_record
from tiltyard.notifications import Dispatcher
from tiltyard.pipeline.loop import Loop, LoopIteration
from tiltyard.pipeline.orchestration.runner import LocalFlows, QuietRunner
from tiltyard.pipeline.remediation.operational_checks import (
    RESTARTED,
    check_approvals,
    check_processes,
    count_hung_calls,
)
from tiltyard.promotion.approval import approve_version, decline_version
from tiltyard.testing import NOON

HOUR = timedelta(hours=1)


def fallen(kind: str, part: str, minutes: float) -> Event:
    return Event(kind, MODEL, NOON + timedelta(minutes=minutes), "ada", f"The {part} fell.", {"part": part})


def test_programs_that_were_started_again_are_found() -> None:
    """Deaths and hangs of the window are reported by program; earlier ones are not, and without any it is clear."""
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


def test_calls_that_did_not_return_are_counted_by_version() -> None:
    """Only hangs in a model call name a version, and each counts once, however many requests waited for it."""
    hung = {"part": "worker 0", "requests": 3}
    events = [
        Event("worker-hung", MODEL, NOON - HOUR, "ada", "", {**hung, "version": "2"}),
        Event("worker-hung", MODEL, NOON, "ada", "", {**hung, "version": "2"}),
        Event("worker-hung", MODEL, NOON, "ada", "", {**hung, "version": "1"}),
        fallen("worker-hung", "worker 1", 5),
    ]
    assert count_hung_calls(events, "2", NOON) == 1


def test_a_program_that_hung_is_an_alert_until_it_was_well_for_long(model_env: ModelEnv) -> None:
    """The alert says what fell and that it was started again; it is over when nothing fell for the window."""
    found = finding_record(
        check_processes([fallen("part-hung", "server", -2)], NOON - HOUR, NOON), model_name=MODEL, at=NOON
    )
    (alert,) = model_env.responder().respond([found]).alerts
    assert alert.title.endswith("A program had to be started again")
    assert "The server fell." in alert.happened[0]
    assert alert.done == "It was started again."
    assert "tiltyard history" in alert.to_do
    clear = finding_record(check_processes([], NOON, NOON + HOUR), model_name=MODEL, at=NOON + HOUR)
    (over,) = model_env.responder().respond([clear]).alerts
    assert over.state == "cleared"


def approvals(model_env: ModelEnv) -> list[FindingRecord]:
    now = datetime.now(UTC)
    seen = check_approvals(list(model_env.ledger.events(subject=MODEL)), MODEL, model_env.named("champion"), now)
    return [finding_record(finding, model_name=MODEL, at=now) for finding in seen]


@pytest.mark.requirement("R-REG-18")
def test_a_retrained_version_waits_for_approval_and_then_takes_over(model_env: ModelEnv) -> None:
    """Where approval is required the loop promotes nothing: it alerts with the next command, and approve promotes."""
    remediation = model_env.responder(approval=True).respond([found("drift.verdict")])
    assert (model_env.named("champion"), model_env.named("challenger")) == ("1", None)
    assert model_env.kinds(f"{MODEL}/2").count("approval-requested") == 1
    assert remediation.actions[0].ending == "done"
    assert "waits for approval: tiltyard approve 2" in remediation.actions[0].summary
    responder = model_env.responder(approval=True)
    (alert,) = responder.respond(approvals(model_env)).alerts
    assert alert.title.endswith("A version waits for approval")
    assert "Version 2 passed the gates" in alert.happened[0]
    assert "tiltyard approve 2 --reason" in alert.to_do
    assert responder.respond(approvals(model_env)).alerts == ()
    assert model_env.named("champion") == "1"
    approve_version(responder._workspace, responder.context.project, "2", reason="it reads well")
    assert (model_env.named("champion"), model_env.named("previous")) == ("2", "1")
    (over,) = model_env.responder(approval=True).respond(approvals(model_env)).alerts
    assert over.state == "cleared"


def test_another_version_that_waits_raises_the_alert_anew(model_env: ModelEnv) -> None:
    """An alert names who waits: when another version does, it is raised again; a declined one is not an alert."""
    for _ in range(2):
        model_env.responder(approval=True, cooldown_minutes=0, min_new_labels=0).respond([found("drift.verdict")])
    responder = model_env.responder(approval=True)
    waiting = approvals(model_env)
    assert [finding.subject for finding in waiting] == ["version 2", "version 3"]
    responder.respond(waiting[:1])
    (alert,) = responder.respond(waiting).alerts
    assert "tiltyard approve 3" in alert.to_do
    for version in ("2", "3"):
        decline_version(responder._workspace, responder.context.project, version, reason="too slow")
    (over,) = responder.respond(approvals(model_env)).alerts
    assert over.state == "cleared"


def test_a_request_about_a_former_champion_does_not_wait(model_env: ModelEnv) -> None:
    """A verdict on a champion that has changed since is nothing to approve."""
    model_env.responder(approval=True).respond([found("drift.verdict")])
    model_env.make_champion(model_env.register(right=False).version, before="1")
    assert [finding.status for finding in approvals(model_env)] == ["clear"]


def test_a_loop_that_is_killed_asks_once(tmp_path: Path) -> None:
    """Before whichever effect the loop dies: the next one asks for approval once, promotes nothing, and says so."""
    for effect in range(1, 14):
        model_env = ModelEnv(tmp_path / str(effect))
        model_env.make_champion(model_env.register(right=False).version)
        model_env.label(5)
        with contextlib.suppress(Killed):
            model_env.responder(die_before=effect, approval=True).respond([found("drift.verdict")])
        remediation = model_env.responder(approval=True).respond([found("drift.verdict")])
        assert model_env.kinds(f"{MODEL}/2").count("approval-requested") == 1
        assert model_env.named("champion") == "1"
        assert "waits for approval" in " ".join(action.summary for action in remediation.actions)


def test_a_pass_of_the_loop_finds_who_waits(model_env: ModelEnv) -> None:
    """What waits is among the findings of a pass, recorded and an alert."""
    responder = model_env.responder(approval=True)
    responder.respond([found("drift.verdict")])
    workspace, project = responder._workspace, responder.context.project
    loop = Loop(project, responder, Dispatcher(workspace.ledger.outbox, {}), LocalFlows(QuietRunner()))
    seen: LoopIteration = loop.once()
    assert "approval.awaited" in {finding.code for finding in seen.findings}
    assert any(alert.incident == "approval" for alert in seen.response.alerts)
