"""The live challenge is a gate of every promotion, in the loop and by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.remediation.conftest import MODEL, ModelEnv, QuickTrainer
from tiltyard.pipeline import PromotionResult, Workspace, promote_version
from tiltyard.project import Project
from tiltyard.promotion.ab_test import evaluate_ab_test


def promote(model_env: ModelEnv, **promotion: Any) -> PromotionResult:
    """Version 2, which is right on all test rows, meets the champion, which is wrong on all."""
    settings = {
        **model_env.project().model_dump(by_alias=True, exclude_unset=True),
        "serving": {"challenger": {"mode": "shadow"}},
        "promotion": promotion,
    }
    workspace = Workspace(model_env.registry, model_env.ledger, model_env.folder / "cache", (), "ada")
    rows = QuickTrainer(model_env, workspace).test_rows()
    return promote_version(workspace, Project.model_validate(settings), "2", rows)


@pytest.mark.requirement("R-SERVE-23")
def test_a_version_that_lost_live_is_refused_whatever_it_does_on_the_test_rows(model_env: ModelEnv) -> None:
    """By default a champion that held live stays; the refusal is an event with rows and evidence; 'off' promotes."""
    model_env.register(right=True)
    model_env.shadow(60, says="bad", champion="good")
    refused = promote(model_env)
    assert (refused.promoted, refused.verdict.reason) == (False, "the champion holds live")
    (event,) = model_env.ledger.events(kind="refused")
    gate = event.evidence["verdict"]["gates"][-1]
    assert (gate["code"], gate["evidence"]["champion_rows"]) == ("gate.live", 60)
    assert model_env.named("champion") == "1"
    assert promote(model_env, live="off").promoted


def test_a_challenge_against_another_champion_does_not_count(model_env: ModelEnv) -> None:
    """What was decided against a former champion is not a verdict on this pair, and without one no gate runs."""
    model_env.register(right=True)
    model_env.shadow(60, says="bad", champion="good")
    model_env.registry.set_alias(MODEL, "challenger", "2")
    shadow = {"serving": {"challenger": {"mode": "shadow"}}}
    project = Project.model_validate({**model_env.project().model_dump(by_alias=True, exclude_unset=True), **shadow})
    assert evaluate_ab_test(project, model_env.registry, model_env.ledger, "ada").verdict.decision == "champion holds"
    model_env.make_champion(model_env.register(right=False).version, before="1")
    promoted = promote(model_env)
    assert promoted.promoted
    assert "gate.live" not in {gate.code for gate in promoted.verdict.gates}


def test_a_victory_may_be_required(model_env: ModelEnv) -> None:
    """With live = "wins" a version is promoted once it has won live, and not before."""
    model_env.register(right=True)
    assert promote(model_env, live="wins").verdict.reason == "it has not won live"
    model_env.shadow(60, says="good")
    assert promote(model_env, live="wins").promoted
