"""A table that is scored every night, as one story: drift in the fifth, late labels, a new champion in the eighth."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import fork_server
from tests.films import environment

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]

STORY = Path(__file__).parents[2] / "examples" / "batch_story.py"
ROWS = 700


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """What the story found, with fewer orders a night."""
    command = [sys.executable, str(STORY), "--json", "--rows", str(ROWS)]
    done = fork_server.run(command, env=environment(), timeout=850)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.requirement("R-MORE-06")
def test_each_night_is_scored_once(facts: dict[str, Any]) -> None:
    """Eight files, eight runs with all their rows; requested again the same night, there is nothing to do."""
    assert [one["rows"] for one in facts["nights"]] == [ROWS] * 8
    assert {one["again"] for one in facts["nights"]} == {"nothing"}
    assert [one["source"] for one in facts["runs"]] == [f"orders/night-{night}.parquet" for night in range(8, 0, -1)]
    assert {one["refused"] for one in facts["runs"]} == {0}


def test_the_fifth_night_is_noticed(facts: dict[str, Any]) -> None:
    """Four quiet nights find nothing; the orders of the new market are found the night they come."""
    assert [one["found"] for one in facts["nights"][:4]] == [[]] * 4
    assert "drift.verdict" in facts["nights"][4]["found"]
    assert facts["nights"][4]["accuracy"] < facts["nights"][3]["accuracy"] - 0.2


def test_the_eighth_night_is_scored_by_the_new_champion(facts: dict[str, Any]) -> None:
    """When enough labels came, and not before, a version is trained; it wins, and is right more often than before."""
    assert facts["trainings"] == ["nothing"] * 5 + ["done"]
    assert [one["version"] for one in facts["nights"]] == ["1"] * 7 + ["2"]
    assert facts["nights"][7]["accuracy"] > facts["nights"][6]["accuracy"] + 0.2
    assert facts["whole"] is True
    assert facts["kinds"].count("batch-scored") == 8
