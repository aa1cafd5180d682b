"""Columns are found by their names, whatever white space or composition of accents a file or a project file has."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from tiltyard.data import load_dataset
from tiltyard.project import Project

NAMES = ["âge", "prix", "réponse"]
DECOMPOSED = [unicodedata.normalize("NFD", name) for name in NAMES]


@pytest.mark.parametrize("names", [NAMES, DECOMPOSED, [f" {name}\t" for name in NAMES]])
@pytest.mark.parametrize("stated", [NAMES, DECOMPOSED, [f" {name}" for name in NAMES]])
def test_a_name_is_found_in_every_spelling(tmp_path: Path, names: list[str], stated: list[str]) -> None:
    """A project file written with other white space or composition than the data names the same columns."""
    frame = pd.DataFrame([[row, row % 7, "ab"[row % 2]] for row in range(20)], columns=names)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    data = {"source": str(tmp_path / "rows.csv"), "label": stated[2], "features": stated[:2], "slices": [stated[1]]}
    about = {"name": "rows", "task": "tabular-classification"}
    project = Project.model_validate({"project": about, "data": data, "schema": {stated[0]: {"type": "number"}}})
    dataset = load_dataset(project)
    assert isinstance(dataset.inputs, pd.DataFrame)
    assert list(dataset.inputs.columns) == NAMES[:2]
    assert dataset.labels.name == NAMES[2]
    assert list(project.columns) == NAMES[:1]
    assert bool([one for one in dataset.findings if one.code == "data.trimmed-names"]) == (names != NAMES)


def test_whole_numbers_as_names_are_text(tmp_path: Path) -> None:
    """The columns 0, 1 and 2 of a Parquet file are called "0", "1" and "2"."""
    frame = pd.DataFrame({0: range(20), 1: ["x", "y"] * 10, 2: ["a", "b"] * 10})
    frame.to_parquet(tmp_path / "rows.parquet")
    about = {"name": "rows", "task": "tabular-classification"}
    source = {"source": str(tmp_path / "rows.parquet"), "label": "2"}
    dataset = load_dataset(Project.model_validate({"project": about, "data": source}))
    assert isinstance(dataset.inputs, pd.DataFrame)
    assert list(dataset.inputs.columns) == ["0", "1"]
    assert dataset.findings == ()
