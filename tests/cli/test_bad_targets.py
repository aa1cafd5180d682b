"""Targets and columns that nothing can be learnt from: each a clear error, from the command line and from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from tests.films import Films
from tiltyard import MLOpsPipeline
from tiltyard.errors import TiltyardError
from tiltyard.settings import Settings

ROWS = 200
FEW = np.random.default_rng(0).normal(50, 9, ROWS).round(3)

PROJECT = """
[project]
name = "rents"
task = "{task}"
[data]
source = "rents.csv"
label = "rent"
[training]
candidates = ["{candidate}"]
"""


def infinite() -> np.ndarray[Any, Any]:
    found = FEW.copy()
    found[7] = np.inf
    return found


TARGETS: dict[str, tuple[str, Callable[[], Any], tuple[str, ...]]] = {
    "infinite": ("tabular-regression", infinite, ("infinite in 1 row", "8")),
    "constant": ("tabular-regression", lambda: np.full(ROWS, 4.0), ("only the number 4",)),
    "no number": ("tabular-regression", lambda: ["cheap", *FEW[1:]], ("not a number in 1 row", "'cheap'")),
    "one class": ("tabular-classification", lambda: ["dear"] * ROWS, ("'dear'",)),
}


def make_table(target: Any) -> pd.DataFrame:
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {"area": random.normal(70, 20, ROWS).round(2), "floor": random.integers(0, 9, ROWS), "rent": target}
    )


@pytest.mark.parametrize("case", TARGETS)
def test_a_target_that_cannot_be_learnt_is_refused_on_the_command_line(case: str, tmp_path: Path) -> None:
    """The exit code is not 0, the message names label and value, a next step follows, and there is no traceback."""
    task, make, words = TARGETS[case]
    candidate = "ridge" if task.endswith("regression") else "logreg"
    (tmp_path / "tiltyard.toml").write_text(PROJECT.format(task=task, candidate=candidate), encoding="utf-8")
    make_table(make()).to_csv(tmp_path / "rents.csv", index=False)
    done = Films(tmp_path).call("train", check=False)
    said = " ".join(done.stderr.split())
    assert done.returncode != 0
    assert "Traceback" not in said
    for word in ("rent", *words):
        assert word in said
    assert not (tmp_path / ".tiltyard" / "mlflow.db").exists() or "version" not in done.stdout


@pytest.mark.parametrize("case", TARGETS)
def test_a_target_that_cannot_be_learnt_is_refused_in_python(case: str, tmp_path: Path) -> None:
    """``train_and_track_model`` raises an error with a message and a next step, before anything is fitted."""
    task, make, words = TARGETS[case]
    table = make_table(make())
    inputs, target = table[["area", "floor"]], table["rent"]
    model = Ridge() if task.endswith("regression") else LogisticRegression()
    with (
        MLOpsPipeline("rents", "rents-model", settings=Settings.load(tmp_path)) as pipeline,
        pytest.raises(TiltyardError) as refused,
    ):
        pipeline.train_and_track_model(model, inputs[:150], target[:150], inputs[150:], target[150:])
    assert refused.value.next_step
    assert words[0] in refused.value.message


@pytest.mark.parametrize("task", ["tabular-regression", "tabular-classification"])
def test_columns_without_variance_are_named(task: str, tmp_path: Path) -> None:
    """A table whose columns all hold one value says nothing of its label: the error names them, and adding rows of
    the same kind is not what it advises."""
    of_numbers = task.endswith("regression")
    target = FEW if of_numbers else np.where(FEW > 50, "dear", "cheap")
    text = PROJECT.format(task=task, candidate="ridge" if of_numbers else "logreg")
    (tmp_path / "tiltyard.toml").write_text(text, encoding="utf-8")
    make_table(target).assign(area=70.0, floor=1).to_csv(tmp_path / "rents.csv", index=False)
    done = Films(tmp_path).call("train", "--champion", check=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "Traceback" not in said
    assert "All 200 rows have the same value in 'area', 'floor'" in said
    assert "Add rows that differ" in said
