"""The benchmarks of accuracy and of a whole training give the figures that they promise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.films import REVIEWS

ROOT = Path(__file__).parents[2]


def figures(name: str, folder: Path, *words: str) -> dict[str, Any]:
    """What a benchmark writes about the first reviews of the example."""
    lines = REVIEWS.read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "few.csv").write_text("".join(lines[:301]), encoding="utf-8")
    out = folder / "out.json"
    command = [sys.executable, str(ROOT / "benchmarks" / name), "--train", str(folder / "few.csv"), "--json", str(out)]
    subprocess.run([*command, *words], check=True, capture_output=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


@pytest.mark.proof
def test_a_whole_training_next_to_a_fit(tmp_path: Path) -> None:
    """Both are timed in one run, and the ratio is that of the times."""
    found = figures("training.py", tmp_path, "--rounds", "1")
    assert found["train_seconds"] > 0
    assert found["sklearn_fit_seconds"] > 0
    assert found["ratio"] == pytest.approx(found["train_seconds"] / found["sklearn_fit_seconds"])
    assert found["rounds"][0]["tiltyard"]["candidate"] == "tfidf-logreg"


@pytest.mark.proof
def test_the_chosen_candidate_next_to_scikit_learn(tmp_path: Path) -> None:
    """The chosen candidate has accuracy, time and memory, and so has every candidate in the table."""
    found = figures("accuracy.py", tmp_path, "--folds", "2", "--candidates", "tfidf-naive-bayes", "nbsvm")
    assert 0.5 < found["accuracy"] <= 1
    assert min(found[name] for name in ("train_seconds", "sklearn_fit_seconds", "peak_mb")) > 0
    assert set(found["candidates"]) == {"scikit-learn", "tfidf-naive-bayes", "nbsvm"}
    assert found["chosen"] in found["candidates"]
