"""Whole numbers that no float holds stay as they are, from every format."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tiltyard.data import load_dataset
from tiltyard.data.snapshots.snapshot import read_snapshot, take_snapshot
from tiltyard.project import Project

FIRST = 570_306_133_677_760_513
IDS: list[int | None] = [FIRST + row if row != 5 else None for row in range(12)]


def write(folder: Path, kind: str) -> Path:
    file = folder / f"rows.{kind}"
    labels = ["a", "b"] * 6
    if kind == "csv":
        lines = ["id,y", *(f"{'' if one is None else one},{label}" for one, label in zip(IDS, labels, strict=True))]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif kind == "jsonl":
        rows = [json.dumps({"id": one, "y": label}) for one, label in zip(IDS, labels, strict=True)]
        file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    else:
        pd.DataFrame({"id": pd.array(IDS, dtype="Int64"), "y": labels}).to_parquet(file)
    return file


def project_of(source: Path) -> Project:
    about = {"name": "rows", "task": "tabular-classification"}
    return Project.model_validate({"project": about, "data": {"source": str(source), "label": "y"}})


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_large_numbers_next_to_a_gap_are_exact(tmp_path: Path, kind: str) -> None:
    """A large whole number next to an empty cell is read, and kept in a snapshot, digit for digit."""
    dataset = load_dataset(project_of(write(tmp_path, kind)))
    assert [None if pd.isna(one) else int(one) for one in dataset.frame["id"]] == IDS
    kept = read_snapshot(take_snapshot(dataset, tmp_path / "store").uri)
    assert [None if pd.isna(one) else int(one) for one in kept["id"]] == IDS


def test_a_feature_of_large_numbers_is_found(tmp_path: Path) -> None:
    """A model computes with floats: a feature that loses digits there is named, with how to leave it out."""
    dataset = load_dataset(project_of(write(tmp_path, "csv")))
    [finding] = [one for one in dataset.findings if one.code == "data.big-integers"]
    assert finding.subject == "id"
    assert finding.evidence["rows"] == 11
    assert 'data.ignore = ["id"]' in finding.next_step
