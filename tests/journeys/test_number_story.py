"""The whole loop for numbers as one story: rents with intervals, another market, a challenger, a rollback."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import fork_server
from tests.films import environment

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]

STORY = Path(__file__).parents[2] / "examples" / "number_story.py"


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What the story found."""
    done = fork_server.run([sys.executable, str(STORY), "--json"], env=environment(), timeout=850)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_quiet_days_raise_no_alarm(facts: dict[str, Any]) -> None:
    """Flats like those of the training find nothing; intervals hold, and the estimated error is the true one."""
    quiet = facts["quiet"]
    assert quiet["found"] == []
    assert 0.83 < quiet["coverage"] <= 0.97
    low, high = quiet["estimate_interval"]
    assert low < quiet["mae"] < high


def test_another_market_is_noticed(facts: dict[str, Any]) -> None:
    """Larger flats are drift, their intervals hold too few rents, and labels show the decay."""
    new = facts["new"]
    assert "drift.verdict" in new["found"]
    assert new["mae"] > 3 * facts["quiet"]["mae"]
    assert new["coverage"] < 0.5
    assert "performance.degradation" in facts["retrained"]["found"]


def test_a_challenger_wins_and_serves(facts: dict[str, Any]) -> None:
    """With the reported rents a version is trained that wins and misses new flats by less."""
    retrained = facts["retrained"]
    assert (retrained["champion"], retrained["actions"]) == ("2", ["retrain"])
    assert retrained["mae"] < 0.5 * facts["new"]["mae"]
    assert retrained["coverage"] > 0.7


def test_a_worse_version_set_by_hand_is_rolled_back(facts: dict[str, Any]) -> None:
    """A version that learned rents by the week is rolled back by labels, and the one before serves again."""
    bad = facts["bad"]
    assert (bad["version"], bad["actions"]) == ("3", ["roll-back"])
    assert bad["mae"] > 3 * bad["mae_after"]
    assert facts["history"]["whole"]
    assert "rolled-back" in facts["history"]["kinds"]
