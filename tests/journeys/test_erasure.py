"""A person asks that what a running server knows of them be erased."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.films import Films, make_films, serving

pytestmark = pytest.mark.journey

SECRET = "Ada of Rosewood Lane adored it"
OTHER = "Bob thought it dull"


def predict(url: str, text: str, key: str) -> Any:
    headers = {"Content-Type": "application/json", "X-Prediction-Key": key}
    request = Request(f"{url}/predict", json.dumps({"text": text}).encode(), headers)
    with urlopen(request, timeout=60) as response:
        return json.load(response)


def find_words(root: Path, words: str) -> list[str]:
    """The files below a folder that contain these words."""
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and words.encode() in read(path)]


def read(path: Path) -> bytes:
    """A file's bytes; none where it is gone by now."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """A project with a champion."""
    made = make_films(tmp_path_factory.mktemp("films"), rows=300, store=fresh_store)
    made.call("train", "--champion")
    return made


@pytest.mark.requirement("R-SEC-03")
@pytest.mark.parametrize(("act", "words"), [("erased", ()), ("redacted", ("--redact",))])
def test_what_a_running_server_recorded_of_a_person_is_gone(films: Films, act: str, words: tuple[str, ...]) -> None:
    """After the command no file of the project holds the words, no listing, export or report shows them or the key."""
    key, secret, options = f"customer-{act}", f"{SECRET} ({act})", ("--reason", f"asked ({act})", "--yes")
    with serving(films) as (url, _):
        mine, other = predict(url, secret, key), predict(url, f"{OTHER} ({act})", f"other-{act}")
        assert find_words(films.root, secret), "the server recorded it"
        done = films.call_json("predictions", "erase", "--key", key, *options, *words)
        assert done == {act: 1, "named_by": "key", "set_aside": 0}
        assert find_words(films.root, secret) == [], "while the server runs"
        again = predict(url, f"{OTHER} once more ({act})", f"later-{act}")
    export = films.root / f"{act}.jsonl"
    films.call("predictions", "export", "--to", str(export))
    films.call("report")
    left = {row["prediction_id"]: row for row in map(json.loads, export.read_text("utf-8").splitlines())}
    assert {other["prediction_id"], again["prediction_id"]} <= set(left)
    assert (mine["prediction_id"] in left) is (act == "redacted")
    assert find_words(films.root, secret) == find_words(films.root, key) == []
    history: Any = films.call_json("history")
    assert [event["kind"] for event in history if event["reason"] == f"asked ({act})"] == [act]
