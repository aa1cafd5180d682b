"""Champion against challenger on production's labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tiltyard.errors import UsageError
from tiltyard.ledger import Assignment, Event, Label
from tiltyard.project import Project
from tiltyard.promotion.ab_test import evaluate_ab_test, live_comparison
from tiltyard.registry.ports import VersionInfo
from tiltyard.testing import MemoryLedger, make_prediction
from tiltyard.testing.registry import MemoryRegistry

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def project(challenger: object) -> Project:
    tables = {
        "project": {"name": "films", "task": "text-classification"},
        "data": {"source": "reviews.csv", "text": "text", "label": "label"},
        "serving": {"challenger": challenger} if challenger else {},
    }
    return Project.model_validate(tables)


def registry(tmp_path: Path, name: str, metrics: Mapping[str, float] | None = None) -> MemoryRegistry:
    made = MemoryRegistry()
    for number, alias in (("1", "champion"), ("2", "challenger")):
        (tmp_path / number).mkdir()
        made.register_model((tmp_path / number).as_uri(), name, metrics=metrics)
        made.set_alias(name, alias, number)
    return made


def made(versions: MemoryRegistry, ours: Project, version: str) -> VersionInfo:
    """A version as the registry knows it."""
    return versions.get_version(ours.model_name, version=version)


def predict_with_both(ledger: MemoryLedger, name: str, *, champion: str, challenger: str, truth: str) -> None:
    """Both versions predict one input, and its label comes."""
    seen = make_prediction(project=name, version="1", route="champion", label=champion)
    hidden = make_prediction(project=name, version="2", route="shadow", label=challenger, key=seen.id)
    ledger.record([seen, hidden])
    ledger.record_labels([Label(seen.id, truth, NOW, "test")])


def in_split(number: int, *, theirs: bool) -> dict[str, Any]:
    """What a row has that is a request by itself, on the challenger's side or on the champion's."""
    return {"unit": f"r{number + (0 if theirs else 2**63):016x}", "assignment": Assignment("2", 0.5).encode()}


@pytest.mark.requirement("R-SERVE-23")
@pytest.mark.parametrize(("better", "decision"), [(True, "challenger wins"), (False, "champion holds")])
def test_a_clear_difference_is_decided_and_written_down_once(tmp_path: Path, better: bool, decision: str) -> None:
    """Labels that speak clearly decide, and the decision is an event with its evidence, however often one asks."""
    ours = project({"mode": "shadow"})
    ledger, versions = MemoryLedger(), registry(tmp_path, ours.model_name)
    first = evaluate_ab_test(ours, versions, ledger, "ann")
    assert first.verdict.decision == "go on"
    assert list(ledger.events()) == []
    for _ in range(60):
        right, wrong = ("bad", "good") if better else ("good", "bad")
        predict_with_both(ledger, ours.model_name, champion=wrong, challenger=right, truth="bad")
    found = [evaluate_ab_test(ours, versions, ledger, "ann") for _ in range(2)]
    assert [item.verdict.decision for item in found] == [decision, decision]
    [event] = ledger.events(kind="challenged")
    assert (event.subject, event.actor) == (f"{ours.model_name}/2", "ann")
    assert event.evidence["decision"] == decision
    assert event.evidence["champion_rows"] == 60


@pytest.mark.parametrize(("mode", "route"), [("shadow", "shadow"), ("split", "challenger")])
def test_a_merged_class_is_right_where_its_merger_was_predicted(tmp_path: Path, mode: str, route: str) -> None:
    """The truth of a class that training merged into other counts for the version that predicts other."""
    ours = project({"mode": mode})
    ledger, versions = MemoryLedger(), registry(tmp_path, ours.model_name)
    evidence = {"merged_classes": {"odd": 3}, "set_aside_classes": {"rare": 1}}
    ledger.append(Event("registered", ours.model_name, NOW, "ann", "", evidence))
    for number in range(400):
        at = NOW + timedelta(seconds=number)
        seen = make_prediction(project=ours.model_name, version="1", route="champion", label="good", at=at)
        theirs = make_prediction(project=ours.model_name, version="2", route=route, label="other", key=seen.id, at=NOW)
        if mode == "split":
            seen = replace(seen, **in_split(number, theirs=False))
            theirs = replace(theirs, **in_split(number, theirs=True))
        ledger.record([seen, theirs])
        ledger.record_labels([Label(row.id, ("odd", "rare")[number % 2], at, "test") for row in (seen, theirs)])
    found = evaluate_ab_test(ours, versions, ledger, "ann").verdict
    assert (found.decision, found.challenger, found.champion_rows) == ("challenger wins", 1.0, 200)


def test_split_traffic_is_evaluated_by_each_version_s_own_rows(tmp_path: Path) -> None:
    """Where callers are divided, each version is evaluated on the inputs that it predicted."""
    ours = project({"mode": "split", "share": 0.5})
    ledger, versions = MemoryLedger(), registry(tmp_path, ours.model_name)
    for number in range(400):
        theirs = number % 2 == 0
        made = make_prediction(
            project=ours.model_name,
            version="2" if theirs else "1",
            route="challenger" if theirs else "champion",
            label="good" if theirs or number % 4 == 1 else "bad",
            **in_split(number, theirs=theirs),
        )
        ledger.record([made])
        ledger.record_labels([Label(made.id, "good", NOW + timedelta(seconds=number), "test")])
    found = evaluate_ab_test(ours, versions, ledger, "ann")
    assert found.verdict.decision == "challenger wins"
    assert (found.verdict.challenger, found.verdict.mode) == (1.0, "split")


def test_rows_of_a_time_without_a_draw_decide_nothing(tmp_path: Path) -> None:
    """While all traffic was the challenger's no side was drawn: such rows are passed over, and the test continues."""
    ours = project({"mode": "split", "share": 0.5})
    ledger, versions = MemoryLedger(), registry(tmp_path, ours.model_name)
    for number in range(10):
        drawn = in_split(number, theirs=True)
        if number >= 5:
            drawn["assignment"] = Assignment("2", 1.0).encode()
        made = make_prediction(project=ours.model_name, version="2", route="challenger", label="good", **drawn)
        ledger.record([made])
        ledger.record_labels([Label(made.id, "good", NOW + timedelta(seconds=number), "test")])
    assert evaluate_ab_test(ours, versions, ledger, "ann").verdict.challenger_rows == 5


def test_the_record_is_that_of_these_very_two(tmp_path: Path) -> None:
    """What was decided about a version counts against the champion of that challenge alone, and the latest counts."""
    ours = project({"mode": "shadow"})
    ledger, versions = MemoryLedger(), registry(tmp_path, ours.model_name)
    assert live_comparison(ours, ledger, made(versions, ours, "1"), "2") is None
    for _ in range(10):
        predict_with_both(ledger, ours.model_name, champion="good", challenger="bad", truth="good")
    so_far = live_comparison(ours, ledger, made(versions, ours, "1"), "2")
    assert so_far is not None
    assert (so_far.decision, so_far.challenger_rows) == ("champion holds", 10)
    assert list(ledger.events()) == []
    decided = evaluate_ab_test(ours, versions, ledger, "ann").verdict
    assert live_comparison(project(None), ledger, made(versions, ours, "1"), "2") == decided
    assert live_comparison(project(None), ledger, made(versions, ours, "2"), "2") is None


def test_predictions_of_an_earlier_champion_say_nothing_about_this_one(tmp_path: Path) -> None:
    """Rows from before the present champion was champion do not count."""
    ours = project({"mode": "shadow"})
    name = ours.model_name
    ledger, versions = MemoryLedger(), registry(tmp_path, name)
    for _ in range(60):
        predict_with_both(ledger, name, champion="good", challenger="bad", truth="good")
    assert evaluate_ab_test(ours, versions, ledger, "ann").verdict.decision == "champion holds"
    (tmp_path / "3").mkdir()
    versions.register_model((tmp_path / "3").as_uri(), name)
    versions.set_alias(name, "champion", "3")
    ledger.append(Event("promoted", f"{name}/3", datetime.now(UTC) + timedelta(seconds=1), "ann"))
    assert evaluate_ab_test(ours, versions, ledger, "ann").verdict.challenger_rows == 0
    assert live_comparison(ours, ledger, made(versions, ours, "3"), "2") is None


def test_without_a_challenger_in_the_project_nothing_is_evaluated(tmp_path: Path) -> None:
    """A project that lets no challenger predict gets an error that says how to allow it."""
    with pytest.raises(UsageError, match="No challenger predicts") as caught:
        evaluate_ab_test(project(None), MemoryRegistry(), MemoryLedger(), "ann")
    assert "mode" in caught.value.next_step


def test_rows_of_an_earlier_build_are_left_out_and_reported(tmp_path: Path) -> None:
    """Rows of which the requests are not known decide nothing: they may all be of one batch."""
    ours = project({"mode": "shadow"})
    ledger, versions = MemoryLedger(), registry(tmp_path, ours.model_name)
    served = [make_prediction(project=ours.model_name, label="a") for _ in range(120)]
    hidden = [
        make_prediction(project=ours.model_name, version="2", route="shadow", label="b", key=row.id, unit=None)
        for row in served
    ]
    ledger.record([*served, *hidden])
    ledger.record_labels([Label(row.id, "b", NOW, "test") for row in served])
    verdict = evaluate_ab_test(ours, versions, ledger, "ann").verdict
    assert (verdict.decision, verdict.challenger_rows, verdict.left_out) == ("go on", 0, 120)
    assert "120 labelled rows of an earlier build are left out" in verdict.summary


@pytest.mark.parametrize(("group", "decision"), [(None, "challenger wins"), ("film", "go on")])
def test_a_group_in_shadow_is_one_unit(tmp_path: Path, group: str | None, decision: str) -> None:
    """Where the project names groups, many inputs about three films say little of other films."""
    plain = project({"mode": "shadow"})
    ours = plain.model_copy(update={"split": plain.split.model_copy(update={"group": group})})
    ledger, versions = MemoryLedger(), registry(tmp_path, ours.model_name)
    served = [
        make_prediction(project=ours.model_name, label="a", input={"text": "Fine.", "@group": number % 3})
        for number in range(120)
    ]
    hidden = [
        make_prediction(project=ours.model_name, version="2", route="shadow", label="b", key=row.id) for row in served
    ]
    ledger.record([*served, *hidden])
    ledger.record_labels([Label(row.id, "b" if number % 3 else "a", NOW, "test") for number, row in enumerate(served)])
    verdict = evaluate_ab_test(ours, versions, ledger, "ann").verdict
    assert verdict.decision == decision
    assert verdict.champion_units == (3 if group else 120)


def rents(mode: str) -> Project:
    """A project that predicts numbers, with a challenger."""
    tables = {
        "project": {"name": "rents", "task": "tabular-regression"},
        "data": {"source": "rents.csv", "label": "rent"},
        "serving": {"challenger": {"mode": mode}},
    }
    return Project.model_validate(tables)


@pytest.mark.parametrize("mode", ["shadow", "split"])
@pytest.mark.parametrize(("better", "decision"), [(True, "challenger wins"), (False, "champion holds")])
def test_numbers_are_decided_by_their_capped_errors(tmp_path: Path, mode: str, better: bool, decision: str) -> None:
    """The version with the smaller error wins, in the unit of the label, and a single far miss decides nothing."""
    ours = rents(mode)
    ledger, versions = MemoryLedger(), registry(tmp_path, ours.model_name, {"mae": 10.0})
    for number in range(400):
        near, far = "104.0", "100.0" if number else "1e12"
        mine, theirs = (far, near) if better else (near, far)
        seen = make_prediction(project=ours.model_name, version="1", route="champion", label=mine)
        route = "shadow" if mode == "shadow" else "challenger"
        other = make_prediction(project=ours.model_name, version="2", route=route, label=theirs, key=seen.id, unit="r")
        if mode == "split":
            seen = replace(seen, **in_split(number, theirs=False))
            other = replace(other, **in_split(number, theirs=True))
        ledger.record([seen, other])
        ledger.record_labels([Label(row.id, "106.5", NOW, "test") for row in (seen, other)])
    found = evaluate_ab_test(ours, versions, ledger, "ann").verdict
    assert found.decision == decision
    assert (found.metric, found.cap) == ("mae", 30.0)
    errors = sorted((found.champion or 0.0, found.challenger or 0.0))
    assert errors == pytest.approx([2.5, 6.5 + 23.5 / 400])
    assert (found.difference or 0.0) == pytest.approx((errors[1] - errors[0]) * (1 if better else -1))
    assert found.low < (found.difference or 0.0) < found.high
    assert "each counted up to 30" in found.summary
    [event] = ledger.events(kind="challenged")
    again = live_comparison(ours, ledger, made(versions, ours, "1"), "2")
    assert again == found
    assert event.evidence["cap"] == 30.0


@pytest.mark.parametrize("metrics", [None, {"mae": 0.0}, {"mae": float("nan")}])
def test_without_an_error_of_the_champion_numbers_are_not_compared(
    tmp_path: Path, metrics: dict[str, float] | None
) -> None:
    """The cap follows from the champion's error on its test rows; without one, an error says so."""
    ours = rents("shadow")
    versions = registry(tmp_path, ours.model_name, metrics)
    with pytest.raises(UsageError, match="no mean absolute error above 0"):
        evaluate_ab_test(ours, versions, MemoryLedger(), "ann")
