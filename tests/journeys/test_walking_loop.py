"""From labelled reviews to a served, recorded champion, as a newcomer walks it."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.films import Films, make_films, serving

pytestmark = pytest.mark.journey

KILLS = 20
CLIENTS = 4


def test_the_main_job(tmp_path: Path) -> None:
    """Init, train, promote, ask on the command line and over HTTP, and read the record."""
    films = make_films(tmp_path / "films", rows=1560)
    (films.root / "tiltyard.toml").unlink()
    films.run("init", "reviews.csv")
    first = films.run("train")
    for words in ("load-data", "split-data", "train-model", "evaluate-model", "log-mlflow", "register-model"):
        assert words in first.stdout
    assert "Model version: 1" in first.stdout
    assert films.run("model-info", check=False).returncode == 1
    second = films.run("train", "--champion")
    assert "Status: Set as champion" in second.stdout
    third = films.run("train", "--champion", check=False)
    assert third.returncode == 3
    assert "Not promoted (current champion is better" in third.stdout
    info: Any = films.json("model-info")
    assert (info["version"], info["aliases"]) == ("2", ["champion"])
    assert info["metrics"]["accuracy"] >= 0.80
    answers: Any = films.json("predict", "I loved every minute of it", "A dull, boring waste of time")
    assert [answer["prediction"] for answer in answers] == ["positive", "negative"]
    with serving(films) as (address, _):
        answer = httpx.post(f"{address}/predict", json={"text": "I loved every minute of it"}, timeout=30).json()
    assert answer["prediction"] == "positive"
    assert answer["model_version"] == "2"
    films.run("predictions", "export", "--to", "predictions.jsonl")
    (row,) = [json.loads(line) for line in (films.root / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert row["prediction_id"] == answer["prediction_id"]
    assert row["text"] == "I loved every minute of it"
    assert row["confidence"] == answer["confidence"]
    stats: Any = films.json("predictions", "stats")
    assert stats["total_predictions"] == 1


def test_every_answered_prediction_survives_sigkill(films: Films) -> None:
    """Killed under load, again and again: no answered prediction is missing from the ledger."""
    answered: set[str] = set()
    for _ in range(KILLS):
        enough = len(answered) + 50
        with serving(films) as (address, process):
            clients = [threading.Thread(target=_ask_until_cut, args=(address, answered)) for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            _wait_until_more(answered, enough)
            process.send_signal(signal.SIGKILL)
            for client in clients:
                client.join(timeout=30)
    films.run("predictions", "export", "--to", "all.jsonl")
    exported = (films.root / "all.jsonl").read_text(encoding="utf-8")
    recorded = [json.loads(line)["prediction_id"] for line in exported.splitlines()]
    assert len(recorded) == len(set(recorded))
    assert answered <= set(recorded)


def test_a_promotion_under_load_fails_no_request(tmp_path: Path) -> None:
    """While requests come in a tight loop the champion changes: every answer is given, and the version changes."""
    films = make_films(tmp_path / "films")
    films.run("train", "--champion")
    films.run("train", "--candidate", "tfidf-naive-bayes")
    statuses: list[int] = []
    versions: list[str] = []
    with serving(films) as (address, _), httpx.Client(timeout=30) as client:
        promoted = threading.Thread(target=films.run, args=("set-alias", "--version", "2", "--alias", "champion"))
        promoted.start()
        deadline = time.monotonic() + 60
        while (not versions or versions[-1] != "2") and time.monotonic() < deadline:
            answer = client.post(f"{address}/predict", json={"text": "a good film"})
            statuses.append(answer.status_code)
            versions.append(answer.json().get("model_version", ""))
        promoted.join()
    assert set(statuses) == {200}
    assert (versions[0], versions[-1]) == ("1", "2")
    assert versions == sorted(versions)
    aliases: Any = films.json("list-versions")
    assert {item["version"]: item["aliases"] for item in aliases} == {"1": ["previous"], "2": ["champion"]}


def _ask_until_cut(address: str, answered: set[str]) -> None:
    with httpx.Client(timeout=30) as client:
        while True:
            try:
                answer = client.post(f"{address}/predict", json={"text": "not a bad film at all"})
            except httpx.HTTPError:
                return
            answered.add(answer.json()["prediction_id"])


def _wait_until_more(answered: set[str], than: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while len(answered) <= than:
        assert time.monotonic() < deadline, "the server answered too little"
        time.sleep(0.01)
