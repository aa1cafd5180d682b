"""From findings to an action, or none with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.ledger import Event, FindingRecord, new_id
from tiltyard.pipeline.remediation.history import FINISHED, PLANNED, STEP_BEGUN, STEP_DONE, read_history
from tiltyard.pipeline.remediation.policy import Decision, Situation, decide
from tiltyard.project import ResponseSection
from tiltyard.testing import NOON

HOUR = timedelta(hours=1)
POLICY = ResponseSection(on_drift="retrain", on_decay="rollback", on_estimate="alert", min_new_labels=100)


def finding(code: str, **changes: Any) -> FindingRecord:
    fields: dict[str, Any] = {"severity": "error", "subject": "all", "message": "It moved.", "version": "2"}
    return FindingRecord(id=new_id(), at=NOON, project="films", code=code, **(fields | changes))


def event(kind: str, subject: str = "films", hours: float = 0, /, **evidence: Any) -> Event:
    return Event(kind, subject, NOON + hours * HOUR, "ada", "because", evidence)


def action(kind: str, hours: float, *, finished: float | None = None) -> list[Event]:
    id_ = f"{kind}-{hours}"
    events = [event(PLANNED, "films", hours, action=id_, kind=kind, plan={})]
    if finished is not None:
        events.append(event(FINISHED, "films", finished, action=id_, ending="done"))
    return events


CHAMPIONS = [event("promoted", "films/1", -99), event("promoted", "films/2", -50)]


def decided(*findings: FindingRecord, events: Sequence[Event] = (), labels: int = 500, **policy: Any) -> Decision:
    history = read_history([*CHAMPIONS, *events], "films")
    situation = Situation(
        NOON, champion=history.champion, previous=history.aliases.previous_champion, new_labels=labels
    )
    return decide(findings, situation, history, POLICY.model_copy(update=policy))


def test_each_incident_has_its_action() -> None:
    """Drift retrains, decay rolls back, an estimate only alerts, and a kind of incident set to none does nothing."""
    assert decided(finding("drift.verdict")).kind == "retrain"
    back = decided(finding("performance.degradation"))
    assert (back.kind, back.target) == ("roll-back", "1")
    assert decided(finding("champion.worse")).kind == "roll-back"
    assert decided(finding("performance.estimate")).kind is None
    assert decided(finding("drift.verdict"), on_drift="none").kind is None
    assert decided(finding("drift.verdict"), on_drift="alert").kind is None
    assert decided(finding("performance.degradation"), on_decay="retrain").kind == "retrain"


def test_what_is_known_comes_before_what_is_presumed() -> None:
    """A bad champion is remedied before decay, and decay before drift; what only alerts blocks nothing."""
    everything = [finding(code) for code in ("drift.verdict", "performance.degradation", "performance.estimate")]
    assert decided(*everything).incident_kind == "performance"
    assert decided(*everything, finding("champion.errors")).incident_kind == "champion"
    assert decided(*everything, on_decay="alert").kind == "retrain"


def test_nothing_is_done_without_cause() -> None:
    """Clear looks, untested ones, hints, and parts whose whole is clear ask for nothing."""
    for calm in (
        [],
        [finding("drift.verdict", status="clear")],
        [finding("drift.verdict", status="could_not_judge")],
        [finding("drift.verdict", severity="info")],
        [finding("drift.verdict", status="clear"), finding("drift.column")],
        [finding("something.else")],
    ):
        assert decided(*calm).kind is None


def test_too_few_labels_are_requested_once_a_day() -> None:
    """With too few new labels they are requested instead of retraining, and not again for a day."""
    decision = decided(finding("drift.verdict"), labels=99)
    assert decision.kind == "ask-labels"
    assert "99 new labels, and a retraining needs 100" in decision.reason
    again = decided(finding("drift.verdict"), labels=99, events=action("ask-labels", -23, finished=-23))
    assert (again.kind, "already" in again.reason) == (None, True)
    assert decided(finding("drift.verdict"), labels=99, events=action("ask-labels", -25, finished=-25)).kind


def test_nothing_begins_beyond_the_limits() -> None:
    """Nothing begins during an open response, within the cooldown, or beyond the actions of a day."""
    drift = finding("drift.verdict")
    assert "under way" in decided(drift, events=action("retrain", -9)).reason
    recent = decided(drift, events=action("retrain", -9, finished=-0.5))
    assert (recent.kind, "30 minutes of cooldown" in recent.reason) == (None, True)
    assert decided(drift, events=action("retrain", -9, finished=-1)).kind == "retrain"
    four = [each for hours in (-20, -15, -10, -5) for each in action("retrain", hours, finished=hours + 1)]
    assert "4 of 4 actions" in decided(drift, events=four).reason
    assert decided(drift, events=four, max_actions_a_day=5).kind == "retrain"
    urgent = decided(finding("champion.errors"), events=action("retrain", -2, finished=-0.1))
    assert urgent.kind == "roll-back", "a bad new champion does not wait for the cooldown of what brought it"


def test_an_action_of_a_clock_far_ahead_limits_nothing() -> None:
    """What was recorded while a clock was a year ahead holds nothing up; what an hour ahead recorded counts."""
    drift, year = finding("drift.verdict"), 365 * 24
    ahead = [each for hours in range(year, year + 4) for each in action("retrain", hours, finished=hours + 0.5)]
    assert decided(drift, events=ahead).kind == "retrain"
    assert decided(drift, labels=99, events=action("ask-labels", year, finished=year)).kind == "ask-labels"
    soon = decided(drift, events=action("retrain", 0.9, finished=1))
    assert (soon.kind, "120 minutes of cooldown" in soon.reason) == (None, True)
    four = [each for hours in (-20, -15, -10, 1) for each in action("retrain", hours, finished=hours - 9)]
    assert "4 of 4 actions" in decided(drift, events=four).reason


def test_never_back_and_forth() -> None:
    """Nothing goes back to a version that was rolled back from, nor from one that is champion by a rollback."""
    worse = finding("champion.worse")
    back = event("rolled-back", "films/1", -3, before="2")
    assert (
        "is champion by a rollback" in decided(worse, events=[back]).reason
        or decided(worse, events=[back]).kind is None
    )
    promoted_again = [back, event("promoted", "films/3", -2)]
    assert decided(worse, events=promoted_again).target == "1"
    bad_previous = [back, event("promoted", "films/2", -2), event("promoted", "films/3", -1)]
    refused = decided(worse, events=bad_previous)
    assert (refused.kind, "back and forth" in refused.reason) == (None, True)


def test_worse_labels_do_not_go_back_to_worse_labels() -> None:
    """A champion that a retraining replaced for worse labels does not come back for worse labels; for errors it may."""
    plan = {"matter": "performance", "champion": "2"}
    trained = [
        event(PLANNED, "films", -9, action="a", kind="retrain", plan=plan),
        event(STEP_DONE, "films", -8, action="a", step="meet-champion", outcome={"promoted": True}),
        event("promoted", "films/3", -8),
        event(FINISHED, "films", -8, action="a", ending="done"),
    ]
    worse = finding("performance.degradation", version="3")
    assert decided(worse, events=trained[2:]).target == "2"
    refused = decided(worse, events=trained)
    assert (refused.kind, "got worse on labels itself" in refused.reason) == (None, True)
    assert decided(finding("champion.errors", version="3"), events=trained).target == "2"


def test_no_champion_and_no_previous() -> None:
    """Without a champion, or without a previous one, there is nothing to act on or to go back to."""
    history = read_history([], "films")
    nobody = decide([finding("drift.verdict")], Situation(NOON, None, None, 500), history, POLICY)
    assert (nobody.kind, nobody.reason) == (None, "There is no champion to act on.")
    alone = decide([finding("champion.slow")], Situation(NOON, "1", None, 500), history, POLICY)
    assert (alone.kind, alone.reason) == (None, "There is no previous version to go back to.")


def test_the_fold_follows_an_action() -> None:
    """Steps begun and done, and the ending, are read from the events alone."""
    events = [
        *action("retrain", -2),
        event(STEP_BEGUN, action="retrain--2", step="train"),
        event(STEP_BEGUN, action="retrain--2", step="train"),
        event(STEP_DONE, action="retrain--2", step="train", outcome={"version": "3"}),
    ]
    open_ = read_history(events, "films").open
    assert open_ is not None
    assert (open_.begun["train"], open_.outcomes) == (2, {"train": {"version": "3"}})
    ended = read_history([*events, event(FINISHED, action="retrain--2", ending="failed")], "films")
    assert (ended.open, ended.actions[0].ending) == (None, "failed")


_codes = st.sampled_from(
    [
        "drift.verdict",
        "drift.column",
        "performance.degradation",
        "performance.estimate",
        "champion.slow",
        "operations.silence",
    ]
)
_findings = st.lists(
    st.builds(
        finding,
        _codes,
        severity=st.sampled_from(["info", "warning", "error"]),
        status=st.sampled_from(["found", "clear", "could_not_judge"]),
    ),
    max_size=5,
)
_kinds = st.sampled_from(["retrain", "roll-back", "ask-labels"])


@settings(max_examples=150, deadline=None)
@given(
    findings=_findings,
    past=st.lists(st.tuples(_kinds, st.floats(-48, -0.01)), max_size=8),
    moves=st.lists(st.tuples(st.sampled_from(["promoted", "rolled-back"]), st.integers(1, 5)), max_size=6),
    labels=st.integers(0, 300),
    cooldown=st.floats(0, 600),
    a_day=st.integers(0, 4),
)
def test_limits_hold_whatever_happened(
    findings: list[FindingRecord],
    past: list[tuple[str, float]],
    moves: list[tuple[str, int]],
    labels: int,
    cooldown: float,
    a_day: int,
) -> None:
    """Whatever happened: limits hold, nobody goes back to a version rolled back from, and there always is a reason."""
    events = [
        each for kind, hours in sorted(past, key=lambda one: one[1]) for each in action(kind, hours, finished=hours)
    ]
    champion = "2"
    for kind, version in moves:
        events.append(event(kind, f"films/{version}", before=champion))
        champion = str(version)
    policy = {"cooldown_minutes": cooldown, "max_actions_a_day": a_day}
    decision = decided(*findings, events=events, labels=labels, **policy)
    assert decision.reason
    assert decision == decided(*findings, events=events, labels=labels, **policy)
    history = read_history([*CHAMPIONS, *events], "films")
    if decision.kind == "roll-back":
        assert decision.target not in history.aliases.rolled_back
        assert decision.target not in (None, history.champion)
        assert history.champion_by != "rolled-back"
    if decision.kind == "retrain":
        assert labels >= POLICY.min_new_labels
        assert all(-one[1] * 60 >= cooldown - 1e-6 for one in past if one[0] != "ask-labels")
    if decision.kind in ("retrain", "roll-back"):
        assert len(history.counted_between(NOON - 24 * HOUR, NOON)) < a_day
        assert decision.causes


def test_an_unknown_incident_is_left_alone() -> None:
    """A finding of a monitor that nobody foresaw asks for nothing and breaks nothing."""
    assert decided(finding("data.quality")).incident_kind is None


@pytest.mark.parametrize("champion_by", ["alias-set"])
def test_a_champion_set_by_hand_is_a_champion(champion_by: str) -> None:
    """A version that somebody made champion by hand can be gone back from like any other."""
    by_hand = event(champion_by, "films/3", -1, alias="champion", before="2")
    assert decided(finding("champion.errors"), events=[by_hand]).target == "2"
