"""Drift is watched while everything runs: nobody starts a command for it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.films import PROJECT, REVIEWS, Films, make_films
from tests.journeys.test_up import Up, up

pytestmark = pytest.mark.journey

ROWS = 150


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """A project with a champion, whose loop runs every second."""
    made = make_films(
        tmp_path_factory.mktemp("films"),
        rows=600,
        store=fresh_store,
        project=PROJECT + "[monitoring]\nevery_minutes = 0.02\n",
    )
    made.call("train", "--champion")
    return made


def predict(url: str, texts: list[str]) -> None:
    body = json.dumps({"texts": texts}).encode()
    with urlopen(Request(f"{url}/predict/batch", body, {"Content-Type": "application/json"}), timeout=60) as response:
        assert len(json.load(response)["predictions"]) == len(texts)


def find_drift(running: Up) -> list[str]:
    """The codes of drift that a pass found which began after this call."""
    running.wait_for(event="pass")
    return [one["code"] for one in running.wait_for(event="pass")["found"] if one["code"].startswith("drift.")]


@pytest.mark.requirement("R-MON-07")
def test_drift_is_found_by_what_runs_anyway(films: Films) -> None:
    """``tiltyard up`` finds nothing in reviews like the training's, drift in other texts, and tells both ways."""
    with REVIEWS.open(encoding="utf-8", newline="") as file:
        like = [row["text"] for row in csv.DictReader(file)][600 : 600 + ROWS]
    other = [
        f"invoice {number} was paid late, please send order {number + 7} to the dock" for number in range(5 * ROWS)
    ]
    with up(films, "--port", "0", "--no-console") as running:
        url = running.wait_for(event="listening", part="server")["url"]
        predict(url, like)
        assert find_drift(running) == []
        stats: Any = films.call_json("predictions", "stats")
        assert stats["total_predictions"] == ROWS, "the passes had them to judge"
        predict(url, other)
        assert find_drift(running)
    alerts: Any = json.loads(films.call("alerts", "--json", check=False).stdout)
    assert "drift" in json.dumps(alerts)
    history: Any = films.call_json("history")
    assert [event["kind"] for event in history].count("alert-raised") == 1
