"""From labelled reviews to a served, recorded champion, as a newcomer walks it."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.films import make_films, serving

pytestmark = pytest.mark.journey


@pytest.mark.requirement(
    "R-TRAIN-02",
    "R-TRAIN-09",
    "R-TRAIN-10",
    "R-TRAIN-11",
    "R-TRACK-16",
    "R-REG-01",
    "R-REG-09",
    "R-REG-11",
    "R-REG-12",
    "R-REG-13",
    "R-SERVE-01",
    "R-PRED-01",
    "R-PRED-02",
    "R-ORCH-03",
    "R-ORCH-04",
)
def test_a_model_is_trained_promoted_served_and_recorded(tmp_path: Path) -> None:
    """Init, train, promote, predict on the command line and over HTTP, and read the ledger."""
    films = make_films(tmp_path / "films", rows=1560)
    (films.root / "tiltyard.toml").unlink()
    films.call("init", "reviews.csv")
    first = films.run("train", fresh=True)
    for words in ("load-data", "split-data", "train-model", "evaluate-model", "log-mlflow", "register-model"):
        assert words in first.stdout
    assert "Warning" not in first.stderr  # what is imported and made for the first time says nothing
    assert "alembic" not in first.stderr
    assert "Model version: 1" in first.stdout
    assert films.call("model-info", check=False).returncode == 1
    second = films.call("train", "--champion")
    assert "Status: Set as champion" in second.stdout
    third = films.call("train", "--champion", check=False)
    assert third.returncode == 3
    assert "Not promoted (current champion is better" in third.stdout
    info: Any = films.call_json("model-info")
    assert (info["version"], info["aliases"]) == ("2", ["champion"])
    assert info["metrics"]["accuracy"] >= 0.80
    predictions: Any = films.call_json("predict", "I loved every minute of it", "A dull, boring waste of time")
    assert [response["prediction"] for response in predictions] == ["positive", "negative"]
    with serving(films, "--port", "0") as (address, _):
        response = httpx.post(f"{address}/predict", json={"text": "I loved every minute of it"}, timeout=30).json()
    assert response["prediction"] == "positive"
    assert response["model_version"] == "2"
    films.call("predictions", "export", "--to", "predictions.jsonl")
    (row,) = [json.loads(line) for line in (films.root / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert row["prediction_id"] == response["prediction_id"]
    assert row["text"] == "I loved every minute of it"
    assert row["confidence"] == response["confidence"]
    stats: Any = films.call_json("predictions", "stats")
    assert stats["total_predictions"] == 1


@pytest.mark.requirement("R-REG-14", "R-SERVE-13")
def test_a_promotion_under_load_fails_no_request(tmp_path: Path, fresh_store: Path) -> None:
    """While requests come in a tight loop the champion changes: every request succeeds, and the version changes."""
    films = make_films(tmp_path / "films", store=fresh_store)
    films.call("train", "--champion")
    films.call("train", "--candidate", "tfidf-naive-bayes")
    statuses: list[int] = []
    versions: list[str] = []
    with serving(films) as (address, _), httpx.Client(timeout=30) as client:
        promoted = threading.Thread(
            target=films.call, args=("set-alias", "--version", "2", "--alias", "champion", "--reason", "why")
        )
        promoted.start()
        deadline = time.monotonic() + 60
        while (not versions or versions[-1] != "2") and time.monotonic() < deadline:
            response = client.post(f"{address}/predict", json={"text": "a good film"})
            statuses.append(response.status_code)
            versions.append(response.json().get("model_version", ""))
        promoted.join()
    assert set(statuses) == {200}
    assert (versions[0], versions[-1]) == ("1", "2")
    assert versions == sorted(versions)
    aliases: Any = films.call_json("list-versions")
    assert {item["version"]: item["aliases"] for item in aliases} == {"1": ["previous"], "2": ["champion"]}
