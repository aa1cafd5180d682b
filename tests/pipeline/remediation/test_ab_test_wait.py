"""The live challenge is a gate of every promotion, in the loop and by hand."""

from __future__ import annotations

from typing import Any

from tests.pipeline.remediation.conftest import MODEL, House, QuickTrainer
from tiltyard.pipeline import PromotionResult, Workspace, promote_version
from tiltyard.project import Project
from tiltyard.promotion.ab_test import evaluate_ab_test


def promote(house: House, **promotion: Any) -> PromotionResult:
    """Version 2, which is right on all test rows, meets the champion, which is wrong on all."""
    settings = {
        **house.project().model_dump(by_alias=True, exclude_unset=True),
        "serving": {"challenger": {"mode": "shadow"}},
        "promotion": promotion,
    }
    workspace = Workspace(house.registry, house.ledger, house.folder / "cache", (), "ada")
    rows = QuickTrainer(house, workspace).test_rows()
    return promote_version(workspace, Project.model_validate(settings), "2", rows)


def test_a_version_that_lost_live_is_refused_whatever_it_does_on_the_test_rows(house: House) -> None:
    """By default a champion that held live stays; the refusal is an event with rows and evidence; 'off' promotes."""
    house.register(right=True)
    house.shadow(60, says="bad", champion="good")
    refused = promote(house)
    assert (refused.promoted, refused.verdict.reason) == (False, "the champion holds live")
    (event,) = house.ledger.events(kind="refused")
    gate = event.evidence["verdict"]["gates"][-1]
    assert (gate["code"], gate["evidence"]["champion_rows"]) == ("gate.live", 60)
    assert house.named("champion") == "1"
    assert promote(house, live="off").promoted


def test_a_challenge_against_another_champion_does_not_count(house: House) -> None:
    """What was decided against a former champion is no verdict on this pair, and without one no gate is asked."""
    house.register(right=True)
    house.shadow(60, says="bad", champion="good")
    house.registry.set_alias(MODEL, "challenger", "2")
    shadow = {"serving": {"challenger": {"mode": "shadow"}}}
    project = Project.model_validate({**house.project().model_dump(by_alias=True, exclude_unset=True), **shadow})
    assert evaluate_ab_test(project, house.registry, house.ledger, "ada").verdict.decision == "champion holds"
    house.crown(house.register(right=False).version, before="1")
    promoted = promote(house)
    assert promoted.promoted
    assert "gate.live" not in {gate.code for gate in promoted.verdict.gates}


def test_a_victory_may_be_asked_for(house: House) -> None:
    """With live = "wins" a version is promoted once it has won live, and not before."""
    house.register(right=True)
    assert promote(house, live="wins").verdict.reason == "it has not won live"
    house.shadow(60, says="good")
    assert promote(house, live="wins").promoted
