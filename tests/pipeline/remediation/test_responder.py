"""One pass of the loop: decide, do, tell; and take up what was cut off."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pipeline.remediation.conftest import MODEL, Killed, ModelEnv, found
from tiltyard.errors import UnavailableError
from tiltyard.ledger.lease_guard import hold_lease
from tiltyard.pipeline.remediation.responder import Remediation


def test_drift_retrains_and_the_better_version_takes_over(model_env: ModelEnv) -> None:
    """Drift, with enough labels, trains a challenger that meets the champion and takes over; the alert says so."""
    remediation = model_env.responder().respond([found("drift.verdict")])
    assert remediation.outcome == "acted"
    assert (model_env.named("champion"), model_env.named("previous"), model_env.named("challenger")) == ("2", "1", None)
    assert model_env.kinds(f"{MODEL}/2") == ["registered", "alias-set", "promoted"]
    raised, alert = remediation.alerts
    assert (raised.id, raised.done) == (alert.id, "Under way: a retraining.")
    assert "Version 2 was trained with the labels of production and is champion now" in alert.done
    assert model_env.steps[0] == "retrain/planned"
    assert model_env.steps[-1] == "retrain/finished"


def test_a_challenger_that_is_no_better_does_not_take_over(model_env: ModelEnv) -> None:
    """A version as good as the champion is refused, loses the challenger alias, and the reason is reported."""
    model_env.make_champion(model_env.register(right=True).version, before="1")
    remediation = model_env.responder().respond([found("drift.verdict", version="2")])
    assert model_env.named("champion") == "2"
    assert model_env.named("challenger") is None
    assert "does not take over" in remediation.actions[0].summary
    assert "refused" in model_env.kinds(f"{MODEL}/3")


def test_a_bad_new_champion_goes_back_by_itself(model_env: ModelEnv) -> None:
    """A champion found worse than the previous one is rolled back, and the reason is an event."""
    model_env.make_champion(model_env.register(right=False).version, before="1")
    remediation = model_env.responder().respond([found("champion.worse", message="Version 2 is worse.", version="2")])
    assert remediation.actions[0].kind == "roll-back"
    assert model_env.named("champion") == "1"
    (event,) = model_env.ledger.events(kind="rolled-back")
    assert (event.reason, event.evidence["before"]) == ("The new champion does badly: Version 2 is worse.", "2")
    again = model_env.responder().respond([found("champion.worse")])
    assert again.outcome == "nothing"
    assert again.decision is not None
    assert "back and forth" in again.decision.reason


def test_too_few_labels_are_requested(model_env: ModelEnv) -> None:
    """With too few new labels nothing is trained; labels are requested, once."""
    remediation = model_env.responder(min_new_labels=6).respond([found("drift.verdict")])
    assert [action.kind for action in remediation.actions] == ["ask-labels"]
    assert "tiltyard label queue" in remediation.alerts[0].done
    assert model_env.responder(min_new_labels=6).respond([found("drift.verdict")]).outcome == "nothing"
    assert model_env.trained == 1
    model_env.label(1)
    assert model_env.responder(min_new_labels=6).respond([found("drift.verdict")]).actions[0].kind == "retrain"


def test_labels_that_taught_are_not_new_again(model_env: ModelEnv) -> None:
    """After a retraining, labels are counted anew."""
    model_env.responder().respond([found("drift.verdict")])
    remediation = model_env.responder(cooldown_minutes=0).respond([found("drift.verdict", version="2")])
    assert remediation.actions[0].kind == "ask-labels"


def test_what_was_found_about_a_former_champion_is_history(model_env: ModelEnv) -> None:
    """A finding about a version that is champion no more asks for nothing and raises no alert."""
    model_env.responder().respond([found("drift.verdict")])
    remediation = model_env.responder(cooldown_minutes=0, min_new_labels=0).respond([found("drift.verdict")])
    assert (remediation.outcome, remediation.alerts) == ("nothing", ())


def test_a_service_that_is_away_is_waited_for(model_env: ModelEnv) -> None:
    """While the registry is away a response waits, however often it is tried, and continues when it is back."""
    with pytest.raises(Killed):
        model_env.responder(die_before=3).respond([found("drift.verdict")])
    model_env.registry.away = True
    for _ in range(5):
        with pytest.raises(UnavailableError):
            model_env.responder().respond([])
    model_env.registry.away = False
    assert model_env.responder().respond([]).outcome == "acted"
    assert model_env.named("champion") == "2"


def test_a_step_that_takes_the_process_with_it_is_given_up(model_env: ModelEnv) -> None:
    """A step that was begun three times and never done is not begun again: the response fails, and says why."""
    for _ in range(3):
        with pytest.raises(Killed):
            model_env.responder(die_before=4 if not model_env.steps else 2).respond([found("drift.verdict")])
    remediation = model_env.responder().respond([found("drift.verdict")])
    assert remediation.actions[0].ending == "failed"
    assert "begun 3 times" in remediation.actions[0].summary
    assert remediation.alerts[-1].done.startswith("Failed: ")
    assert model_env.trained == 1


def test_only_one_at_a_time(model_env: ModelEnv) -> None:
    """While another process responds, this one does nothing."""
    with hold_lease(model_env.ledger.leases, f"response/{MODEL}") as holding:
        assert holding is not None
        assert model_env.responder().respond([found("drift.verdict")]) == Remediation("busy")
        assert model_env.responder().retrain("by hand").outcome == "busy"
    assert model_env.trained == 1


def test_retraining_by_hand(model_env: ModelEnv) -> None:
    """A person may ask for a retraining whatever the policy says; what was cut off comes first."""
    with pytest.raises(Killed):
        model_env.responder(die_before=6).retrain("new season")
    remediation = model_env.responder().retrain("new season")
    assert [action.kind for action in remediation.actions] == ["retrain"]
    assert model_env.trained == 2
    assert model_env.named("champion") == "2"


def test_a_challenger_predicts_in_the_shadow_until_the_labels_decide(model_env: ModelEnv) -> None:
    """Where challengers predict live, the response waits for the labels, and the gates come after their word."""
    waiting = model_env.responder(live=True).respond([found("drift.verdict")])
    assert waiting.outcome == "waiting"
    assert (model_env.named("champion"), model_env.named("challenger")) == ("1", "2")
    assert model_env.responder(live=True).respond([found("drift.verdict")]).outcome == "waiting"
    model_env.shadow(20, says="good")
    remediation = model_env.responder(live=True).respond([])
    assert remediation.actions[0].outcomes["watch-challenger"]["winner"] == "challenger"
    assert (model_env.named("champion"), model_env.named("challenger")) == ("2", None)
    assert model_env.trained == 2


def test_a_champion_that_holds_live_stays(model_env: ModelEnv) -> None:
    """A challenger that loses on production's labels does not come to the gates, whatever it does on the test rows."""
    model_env.responder(live=True).respond([found("drift.verdict")])
    model_env.shadow(40, says="bad", champion="good")
    remediation = model_env.responder(live=True).respond([])
    assert "the champion held live" in remediation.actions[0].summary
    assert (model_env.named("champion"), model_env.named("challenger")) == ("1", None)


def test_time_is_up(model_env: ModelEnv) -> None:
    """Where labels do not decide in time the gates do."""
    model_env.responder(live=True).respond([found("drift.verdict")])
    remediation = model_env.responder(live=True, challenge_hours=1e-9).respond([])
    assert remediation.actions[0].outcomes["watch-challenger"]["winner"] == "nobody"
    assert model_env.named("champion") == "2"


def test_a_champion_moved_outside_tiltyard_is_the_one_that_is_replaced(model_env: ModelEnv) -> None:
    """A rollback after the champion was moved in MLflow names the champion of the registry, not the decided one."""
    model_env.register(right=True)
    model_env.register(right=True)
    model_env.make_champion("2", before="1")
    model_env.registry.set_alias(MODEL, "champion", "3")
    done = model_env.responder().respond([found("performance.accuracy", version="3")])
    assert [action.kind for action in done.actions] == ["roll-back"]
    assert done.actions[0].plan["champion"] == "3"
    assert "in place of version 3" in done.actions[0].summary


def test_a_champion_removed_outside_tiltyard_is_no_champion(model_env: ModelEnv) -> None:
    """After the alias was removed in MLflow, the response policy knows no champion."""
    model_env.registry.delete_alias(MODEL, "champion")
    model_env.responder().respond([found("performance.accuracy")])
    assert model_env.responder().history().champion is None


CAUSES = {"retrain": "drift.verdict", "roll-back": "champion.worse", "ask-labels": "drift.verdict"}


@pytest.mark.parametrize("kind", list(CAUSES))
def test_killed_anywhere_and_started_again(model_env: ModelEnv, kind: str) -> None:
    """Killed in front of any effect of any response and started again, it ends as if nothing had happened."""
    policy: dict[str, Any] = {"min_new_labels": 99} if kind == "ask-labels" else {}
    if kind == "roll-back":
        model_env.make_champion(model_env.register(right=True).version, before="1")
    cause = found(CAUSES[kind], version=model_env.named("champion"))
    undisturbed = _copy(model_env)
    undisturbed.responder(**policy).respond([cause])
    effects, wanted = undisturbed.effects, _state(undisturbed)
    assert effects >= {"retrain": 22, "roll-back": 12, "ask-labels": 3}[kind]
    for place in range(1, effects + 1):
        struck = _copy(model_env)
        with pytest.raises(Killed):
            struck.responder(die_before=place, **policy).respond([cause])
        struck.responder(**policy).respond([cause])
        struck.responder(**policy).respond([cause])
        assert _state(struck) == wanted, f"killed in front of effect {place}"
        assert struck.ledger.verify_events() == []


def _copy(model_env: ModelEnv) -> ModelEnv:
    import copy

    made = ModelEnv(model_env.folder, trained=model_env.trained)
    made.registry._models = copy.deepcopy(model_env.registry._models)
    made.ledger._events = copy.deepcopy(model_env.ledger._events)
    made.ledger._predictions = dict(model_env.ledger._predictions)
    made.ledger._labels = dict(model_env.ledger._labels)
    return made


def _state(model_env: ModelEnv) -> dict[str, object]:
    """What must not depend on how often the process died: decisions, aliases, versions, and notifications."""
    once = [kind for kind in model_env.kinds() if kind != "response-step-begun"]
    return {
        "events": sorted(once),
        "versions": len(model_env.registry.list_versions(MODEL)),
        "aliases": [model_env.named(alias) for alias in ("champion", "previous", "challenger")],
        "notices": [parcel.notice.topic for parcel in model_env.ledger.outbox.items()],
    }
