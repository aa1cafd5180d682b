"""The whole loop as one story: data drifts, labels arrive, a challenger wins, a bad version is rolled back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import fork_server
from tests.films import environment

pytestmark = pytest.mark.journey

STORY = Path(__file__).parents[2] / "examples" / "story.py"


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What ``make story`` found."""
    command = [sys.executable, str(STORY), "--json"]
    done = fork_server.run(command, env=environment(), timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_quiet_days_raise_no_alarm(facts: dict[str, Any]) -> None:
    """Traffic from where the training data came from finds nothing."""
    assert facts["quiet"]["found"] == []
    assert facts["quiet"]["accuracy"] > 0.75


@pytest.mark.requirement("R-MON-19")
def test_another_domain_is_noticed(facts: dict[str, Any]) -> None:
    """Drift is found within the first windows, the estimated performance falls, and labels are requested."""
    foreign = facts["foreign"]
    assert foreign["windows"] <= 2
    assert foreign["estimate"] < facts["quiet"]["estimate"] - 0.01
    assert foreign["actions"] == ["ask-labels"]
    assert foreign["accuracy"] < 0.7


@pytest.mark.requirement("R-MON-19")
def test_the_challenger_wins_with_evidence_and_serves(facts: dict[str, Any]) -> None:
    """With the labels a version is trained that beats the champion on the same rows, and the server takes it over."""
    retrained = facts["retrained"]
    assert (retrained["version"], retrained["promoted"]) == ("2", True)
    assert "p = " in retrained["summary"]
    assert retrained["accuracy_after"] > facts["foreign"]["accuracy"] + 0.2


@pytest.mark.requirement("R-MON-21")
def test_a_worse_version_set_by_hand_is_rolled_back(facts: dict[str, Any]) -> None:
    """A version that is worse on labels is rolled back automatically, and the one before serves again."""
    bad = facts["bad"]
    assert (bad["version"], bad["actions"]) == ("3", ["roll-back"])
    assert bad["accuracy_after"] > bad["accuracy"] + 0.4


def test_every_decision_is_in_the_history(facts: dict[str, Any]) -> None:
    """Every decision is in the history, in order, and the chain is whole; alerts left through the outbox."""
    decisions = ("registered", "promoted", "alias-set", "rolled-back")
    # The version by force is the alias that a person set; the other is the challenger's.
    wanted = ["registered", "promoted", "registered", "alias-set", "promoted", "registered", "alias-set", "rolled-back"]
    assert [kind for kind in facts["history"]["kinds"] if kind in decisions] == wanted
    assert facts["history"]["whole"]
    assert {"alert.raised", "alert.changed", "alert.cleared"} <= set(facts["outbox"])
