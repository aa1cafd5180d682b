"""One fold says who is champion since when, and what every alias names."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.ledger import Event
from tiltyard.promotion.context import Workspace
from tiltyard.promotion.manual_change import point_alias, remove_alias
from tiltyard.promotion.rollback import roll_back
from tiltyard.registry.alias_history import champion_at, read_alias_history
from tiltyard.registry.outside_changes import record_outside_changes
from tiltyard.testing import NOON, MemoryLedger
from tiltyard.testing.registry import MemoryRegistry, write_example_package

NAME = "films"


def event(kind: str, version: str | None, hour: float, **evidence: Any) -> Event:
    subject = f"{NAME}/{version}" if version else NAME
    return Event(kind, subject, NOON + timedelta(hours=hour), "ada", evidence=evidence)


PROMOTED_1 = event("promoted", "1", 0, champion=None)
PROMOTED_2 = event("promoted", "2", 1, champion="1")


def test_a_champion_moved_outside_tiltyard_begins_a_period_when_it_is_noticed() -> None:
    """A change of the champion outside Tiltyard counts from the moment it was noticed, like a decision."""
    moved = event("alias-changed-outside", "3", 5, alias="champion", before="2")
    history = read_alias_history([PROMOTED_1, PROMOTED_2, moved], NAME)
    assert history.champion is not None
    assert (history.champion.version, history.champion.since) == ("3", moved.at)
    assert history.previous_champion == "2"


def test_a_removed_champion_ends_its_period() -> None:
    """Whether a decision or somebody outside Tiltyard removed the alias: from then on there is no champion."""
    for kind in ("alias-removed", "alias-changed-outside"):
        removed = event(kind, None, 5, alias="champion", before="2")
        events = [PROMOTED_1, PROMOTED_2, removed]
        assert read_alias_history(events, NAME).champion is None
        assert champion_at(events, NAME, removed.at) is None
        before = champion_at(events, NAME, removed.at - timedelta(seconds=1))
        assert before is not None
        assert before.version == "2"


def test_the_previous_champion_is_another_version_across_a_time_without_one() -> None:
    """After a time without champion, the previous one is the last other version that was."""
    removed = event("alias-removed", None, 5, alias="champion", before="2")
    again = [event("promoted", version, 6, champion=None) for version in ("2", "3")]
    assert read_alias_history([PROMOTED_1, PROMOTED_2, removed, again[0]], NAME).previous_champion == "1"
    assert read_alias_history([PROMOTED_1, PROMOTED_2, removed, again[1]], NAME).previous_champion == "2"


def test_a_decision_that_confirms_the_champion_does_not_begin_anew() -> None:
    """A change outside Tiltyard that is confirmed by hand keeps its beginning, and the decision explains it."""
    moved = event("alias-changed-outside", "3", 5, alias="champion", before="2")
    confirmed = event("alias-set", "3", 7, alias="champion", before="3")
    period = read_alias_history([PROMOTED_2, moved, confirmed], NAME).champion
    assert period is not None
    assert (period.since, period.event) == (moved.at, confirmed)


def test_what_a_rollback_replaced_is_remembered() -> None:
    """A version that a rollback replaced counts as rolled back, whatever becomes champion later."""
    back = event("rolled-back", "1", 3, alias="champion", before="2")
    later = event("promoted", "3", 4, champion="1")
    assert read_alias_history([PROMOTED_1, PROMOTED_2, back, later], NAME).rolled_back == {"2"}


def test_events_of_another_model_do_not_count() -> None:
    """A model whose name begins alike has its own history."""
    other = Event("promoted", "films2/7", NOON, "ada", evidence={"champion": None})
    assert read_alias_history([other], NAME).champions == ()


VERSIONS = st.sampled_from(["1", "2", "3"])
ALIASES = st.sampled_from(["champion", "challenger", "previous"])
ACTS = st.one_of(
    st.tuples(st.just("set"), ALIASES, VERSIONS),
    st.tuples(st.just("remove"), ALIASES, VERSIONS),
    st.tuples(st.just("roll back"), ALIASES, VERSIONS),
    st.tuples(st.just("set outside"), ALIASES, VERSIONS),
    st.tuples(st.just("remove outside"), ALIASES, VERSIONS),
)


@pytest.fixture(scope="module")
def package() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        write_example_package(Path(folder) / "model")
        yield folder


@settings(max_examples=30, deadline=None)
@given(acts=st.lists(ACTS, max_size=8))
def test_the_fold_agrees_with_the_registry_after_any_changes(package: str, acts: list[tuple[str, str, str]]) -> None:
    """After any decisions and any changes outside that were noticed, every alias names what the fold says."""
    registry, ledger = MemoryRegistry(), MemoryLedger()
    workspace = Workspace(registry, ledger, Path(package) / "cache", (), "ada")
    for number in range(3):
        registry.register_model(f"{package}/model", NAME)
        ledger.append(event("registered", str(number + 1), 0))
    for act, alias, version in acts:
        if act == "set":
            point_alias(workspace, NAME, version=version, alias=alias, reason="for the test")
        elif act == "remove":
            remove_alias(workspace, NAME, alias=alias, reason="for the test")
        elif act == "roll back":
            champion = registry.champion(NAME)
            been = {period.version for period in read_alias_history(ledger.events(subject=NAME), NAME).champions}
            if champion.version != version if champion else version in been:
                roll_back(workspace, NAME, to=version, reason="for the test")
        elif act == "set outside":
            registry.set_alias(NAME, alias, version)
        else:
            registry.delete_alias(NAME, alias)
        record_outside_changes(registry, ledger, NAME, "test")
        found = {name: info.version for info in registry.list_versions(NAME) for name in info.aliases}
        history = read_alias_history(ledger.events(subject=NAME), NAME)
        assert {name: record.version for name, record in history.aliases.items() if record.version} == found
        assert (history.champion.version if history.champion else None) == found.get("champion")
