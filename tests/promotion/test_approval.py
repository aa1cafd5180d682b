"""A version that passed the gates waits until somebody approves, and who is notified of the decision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tiltyard.data import Dataset
from tiltyard.errors import UnavailableError, UsageError
from tiltyard.jsonable import to_json_object
from tiltyard.ledger import Event
from tiltyard.pipeline import (
    ChampionChangedError,
    PromotionResult,
    Workspace,
    approve_version,
    challenge_champion,
    decline_version,
    pending_approvals,
    roll_back,
)
from tiltyard.project import AlertsSection, Project
from tiltyard.promotion.offline_predictions import PredictedRows
from tiltyard.registry import VersionInfo
from tiltyard.registry.ports import VERDICT_TAG
from tiltyard.testing.ledger import MemoryLedger
from tiltyard.testing.registry import MemoryRegistry, write_example_package

NAME = "films-classifier"
TEXTS = [f"a {word} film number {row}" for row, word in enumerate(["dull", "warm"] * 40)]
TRUTH = np.array(["bad", "good"] * 40)


def project(**promotion: Any) -> Project:
    return Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification"},
            "data": {"source": "x.csv", "text": "text", "label": "label"},
            "promotion": {"rule": "better", "approval": "required", **promotion},
            "alerts": {"decisions": ["log"], "link": "http://127.0.0.1/"},
        }
    )


def rows() -> Dataset:
    frame = pd.DataFrame({"text": TEXTS, "label": TRUTH})
    digests = np.arange(len(TEXTS), dtype=np.uint64)
    return Dataset("films", "text-classification", frame["text"], frame["label"], frame, "x.csv", digests)


def right() -> PredictedRows:
    """Predictions that are right everywhere."""
    sure = np.where(TRUTH == "good", 0.9, 0.1)
    return PredictedRows(TRUTH.astype(np.str_), np.column_stack([1 - sure, sure]), ("bad", "good"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Three versions, of which the first is champion; trained by ann."""
    registry, ledger = MemoryRegistry(), MemoryLedger()
    write_example_package(tmp_path / "model", model_name=NAME)
    made = Workspace(registry, ledger, tmp_path / "cache", (), "ann")
    for _ in range(3):
        info = registry.register_model(str(tmp_path / "model"), NAME)
        ledger.append(Event("registered", f"{NAME}/{info.version}", info.created_at, "ann"))
    promoted = challenge_champion(
        made, project(approval="none"), registry.get_version(NAME, version="1"), right(), rows()
    )
    assert promoted.promoted
    return made


def send(workspace: Workspace, version: str, chosen: Project) -> PromotionResult:
    return challenge_champion(workspace, chosen, workspace.registry.get_version(NAME, version=version), right(), rows())


def champion(workspace: Workspace) -> VersionInfo:
    found = workspace.registry.champion(NAME)
    assert found is not None
    return found


def waiting(workspace: Workspace) -> list[str]:
    return [request.version for request in pending_approvals(workspace.ledger.events(subject=NAME), NAME)]


@pytest.mark.requirement("R-REG-18")
def test_a_version_that_waits_becomes_champion_by_approval(workspace: Workspace) -> None:
    """A version that passed waits; approval makes it champion; the events say who requested and approved, and why."""
    sent = send(workspace, "2", project())
    assert (sent.verdict.promoted, sent.promoted, sent.pending) == (True, False, True)
    assert "tiltyard approve 2" in sent.status
    assert sent.to_dict()["promoted"] is False
    assert (champion(workspace).version, waiting(workspace)) == ("1", ["2"])
    boss = replace(workspace, actor="bob")
    outcome = approve_version(boss, project(self_approval=False), "2", reason="tried it in the office")
    assert outcome.promoted
    assert (champion(workspace).version, waiting(workspace)) == ("2", [])
    approved, promoted = list(workspace.ledger.events(subject=f"{NAME}/2"))[-2:]
    assert (approved.kind, approved.actor, approved.reason) == ("approved", "bob", "tried it in the office")
    assert (promoted.kind, promoted.actor, promoted.evidence["requested_by"]) == ("promoted", "bob", "ann")
    assert promoted.evidence["verdict"] == to_json_object(sent.verdict)
    assert workspace.ledger.verify_events() == []


def wrong() -> PredictedRows:
    """Predictions that are wrong everywhere."""
    predictions = right()
    return PredictedRows(predictions.labels[::-1].copy(), predictions.probabilities[::-1].copy(), predictions.classes)


def test_gates_are_overruled_by_a_person_with_a_reason(workspace: Workspace) -> None:
    """By force a refused version becomes champion; the decision keeps who, why and the verdict that refused."""
    info = workspace.registry.get_version(NAME, version="2")
    bob = replace(workspace, actor="bob")
    refused = challenge_champion(bob, project(approval="none"), info, wrong(), rows(), force=" ")
    assert not refused.promoted
    outcome = challenge_champion(bob, project(approval="none"), info, wrong(), rows(), force="the law changed")
    assert (outcome.promoted, outcome.verdict.promoted, champion(workspace).version) == (True, False, "2")
    assert "by force (the law changed)" in outcome.status
    decision = list(workspace.ledger.events(subject=f"{NAME}/2"))[-1]
    assert (decision.kind, decision.actor, decision.evidence["forced"]) == ("promoted", "bob", "the law changed")
    assert decision.reason.startswith("by force: the law changed (the gates: ")
    assert decision.evidence["verdict"] == to_json_object(outcome.verdict)


def test_force_does_not_replace_an_approval(workspace: Workspace) -> None:
    """Where approval is required, a version that was forced through the gates waits for it, and the reason stays."""
    info = workspace.registry.get_version(NAME, version="2")
    sent = challenge_champion(workspace, project(), info, wrong(), rows(), force="the law changed")
    assert (sent.pending, sent.promoted, champion(workspace).version) == (True, False, "1")
    approved = approve_version(replace(workspace, actor="bob"), project(), "2", reason="agreed")
    assert (approved.promoted, champion(workspace).version) == (True, "2")
    assert list(workspace.ledger.events(subject=f"{NAME}/2"))[-1].evidence["forced"] == "the law changed"


def test_nobody_approves_their_own(workspace: Workspace) -> None:
    """With self_approval = false neither who requested it nor who trained it may approve; by default they may."""
    send(replace(workspace, actor="ci"), "2", project())
    for actor, did in (("ci", "requested it"), ("ann", "trained it")):
        with pytest.raises(UsageError, match=did) as caught:
            approve_version(replace(workspace, actor=actor), project(self_approval=False), "2", reason="mine")
        assert caught.value.code == "approval.own"
    assert champion(workspace).version == "1"
    assert approve_version(workspace, project(), "2", reason="mine").promoted


def test_an_approval_is_refused_after_the_champion_changed(workspace: Workspace) -> None:
    """When the champion has changed since, an approval is refused, and the version has to pass the gates again."""
    send(workspace, "2", project())
    assert send(workspace, "3", project(approval="none")).promoted
    with pytest.raises(UsageError, match="evaluated against version 1, and champion is version 3") as caught:
        approve_version(workspace, project(), "2", reason="good")
    assert caught.value.code == "approval.stale"
    assert (champion(workspace).version, waiting(workspace)) == ("3", [])
    with pytest.raises(UsageError, match="does not wait"):
        approve_version(workspace, project(), "2", reason="good")


def test_a_declined_request_leaves_the_champion(workspace: Workspace) -> None:
    """Who says no closes the request; the champion stays, and the reason is kept."""
    send(workspace, "2", project())
    decline_version(workspace, project(), "2", reason="too slow for us")
    assert (champion(workspace).version, waiting(workspace)) == ("1", [])
    assert [event.reason for event in workspace.ledger.events(kind="approval-declined")] == ["too slow for us"]


def test_a_refused_version_does_not_wait(workspace: Workspace) -> None:
    """Approval comes after the gates: what they refuse cannot be approved."""
    refused = send(workspace, "2", project(floors={"accuracy": 1.1}))
    assert (refused.promoted, refused.pending, waiting(workspace)) == (False, False, [])


def test_decisions_leave_with_their_event(workspace: Workspace) -> None:
    """Each decision is a notification to the destinations of decisions, with figures; one that fails leaves nothing."""
    send(workspace, "2", project())
    approve_version(workspace, project(), "2", reason="good")
    send(workspace, "3", project(floors={"accuracy": 1.1}))
    notifying = replace(workspace, alerts=AlertsSection(decisions=("log",)))
    roll_back(notifying, NAME, to=None, reason="complaints")
    parcels = workspace.ledger.outbox.items()
    assert [parcel.notice.topic for parcel in reversed(parcels)] == [
        "model.promoted",
        "model.approval-requested",
        "model.promoted",
        "model.refused",
        "model.rolled-back",
    ]
    refused, back = parcels[1].notice.payload, parcels[0].notice.payload
    assert refused["data"]["failed_gates"] == ["gate.floor"]
    assert refused["link"] == "http://127.0.0.1/"
    assert back["title"] == f"{NAME}: rolled back to version 1"
    assert (back["data"]["reason"], back["data"]["before"]) == ("complaints", "2")


class Restless(MemoryRegistry):
    """A registry in which somebody else changes the champion whenever a version is given its verdict."""

    def __init__(self) -> None:
        super().__init__()
        self.next: list[str] = []

    def set_tag(self, name: str, version: str, key: str, value: str) -> None:
        super().set_tag(name, version, key, value)
        if self.next and key == VERDICT_TAG:
            self.set_alias(name, "champion", self.next.pop(0))


def test_a_champion_that_changes_during_the_evaluation(workspace: Workspace, tmp_path: Path) -> None:
    """The version is evaluated anew, against the new champion; after three times it is an error; nothing has moved."""
    registry = Restless()
    for _ in range(3):
        registry.register_model(str(tmp_path / "model"), NAME)
    registry.set_alias(NAME, "champion", "1")
    restless = replace(workspace, registry=registry, ledger=MemoryLedger())
    registry.next = ["2"]
    outcome = send(restless, "3", project(approval="none"))
    assert outcome.promoted
    assert outcome.champion is not None
    assert outcome.champion.version == "2"
    (event,) = restless.ledger.events(kind="promoted")
    assert event.evidence["champion"] == "2"
    registry.set_alias(NAME, "champion", "2")
    registry.next = ["1", "2", "1"]
    with pytest.raises(ChampionChangedError):
        send(restless, "3", project(approval="none"))
    assert len(list(restless.ledger.events(kind="promoted"))) == 1


def test_two_who_promote_the_same_version(workspace: Workspace, tmp_path: Path) -> None:
    """Where somebody else promoted the version during its evaluation, it does not win a second time against itself."""
    registry = Restless()
    for _ in range(3):
        registry.register_model(str(tmp_path / "model"), NAME)
    registry.set_alias(NAME, "champion", "1")
    both = replace(workspace, registry=registry, ledger=MemoryLedger())
    registry.next = ["3"]
    with pytest.raises(UsageError) as refusal:
        send(both, "3", project(approval="none"))
    assert refusal.value.code == "promotion.already-champion"
    assert list(both.ledger.events(kind="promoted")) == []
    assert list(both.ledger.events(kind="refused")) == []


def test_a_registry_that_is_away(workspace: Workspace) -> None:
    """Without the registry nothing is decided, and nothing is written down."""
    before = len(list(workspace.ledger.events()))
    workspace.registry.away = True  # type: ignore[attr-defined]
    with pytest.raises(UnavailableError):
        approve_version(workspace, project(), "2", reason="good")
    assert len(list(workspace.ledger.events())) == before
