"""A search that a second machine joins by the command line: a separate project folder, state and process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import fork_server
from tests.films import PROJECT, Films, environment, make_films

pytest.importorskip("optuna", reason="needs Optuna: pip install 'tiltyard[search]'")

pytestmark = pytest.mark.journey

TRIALS = 10
SEARCH = f"""
[training]
candidates = ["tfidf-naive-bayes", "tfidf-logreg"]
[training.search]
trials = {TRIALS}
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.requirement("R-MORE-11")
def test_a_second_machine_joins_the_search_and_one_version_is_registered(
    kind: str, tmp_path: Path, fresh_store: Path, request: pytest.FixtureRequest
) -> None:
    """Two machines share the trials of one search by its database; one of them trains, the other registers nothing."""
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    if kind == "postgresql":
        storage = request.getfixturevalue("postgres").database()
    first, second = (make_films(tmp_path / name, 120, PROJECT + SEARCH, fresh_store) for name in ("first", "second"))
    trains = _start(first, storage, "train", "--champion")
    joins = _start(second, storage, "train", "--join")
    trained, joined = _read(trains), _read(joins)

    numbers = {one["number"] for one in joined["trials"]}
    assert numbers <= set(range(TRIALS))
    assert [one["version"] for one in first.call_json("list-versions")] == ["1"]  # type: ignore[attr-defined]
    assert second.call_json("list-versions") == []
    assert trained["model_version"] == "1"
    again = _read(_start(second, storage, "train", "--join"))
    assert again["trials"] == []


def _start(films: Films, storage: str, *words: str) -> subprocess.Popen[str]:
    return fork_server.popen(
        [sys.executable, "-m", "tiltyard", *words, "--json"],
        cwd=films.root,
        env={**environment(), "TILTYARD_SEARCH_STORAGE": storage},
        stdout=subprocess.PIPE,
    )


def _read(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, _ = process.communicate(timeout=240)
    # 3 where the version is registered and not promoted: which trial wins depends on who was faster.
    assert process.returncode in (0, 3), said
    found: dict[str, Any] = json.loads(said)
    return found
