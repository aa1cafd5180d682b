"""Rows without a label or a text are set aside and named, or refused where the project says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltyard.data import Dataset, load_dataset
from tiltyard.errors import DataError
from tiltyard.project import Project

TABLE = "".join(f"{20 + place},{('yes', 'no')[place % 2]}\n" for place in range(30))
TEXTS = "".join(f"we saw {place} of them,{('yes', 'no')[place % 2]}\n" for place in range(30))


def load(root: Path, content: str, **data: object) -> Dataset:
    (root / "rows.csv").write_text(content, encoding="utf-8")
    task = "text-classification" if "text" in data else "tabular-classification"
    fields = {"project": {"name": "rows", "task": task}, "data": {"source": "rows.csv", "label": "y", **data}}
    return load_dataset(Project.model_validate({**fields, "root": root}))


@pytest.mark.parametrize(
    ("odd", "data", "rows"),
    [
        ("77,\n", {}, [31]),
        ("77,  \n78,\n", {}, [31, 32]),
        ("77,unknown\n", {"gaps": ["unknown"]}, [31]),
        (",yes\n", {"text": "a"}, [31]),
        ("some words,\n", {"text": "a"}, [31]),
    ],
)
def test_rows_that_cannot_teach_are_set_aside_and_named(
    tmp_path: Path, odd: str, data: dict[str, object], rows: list[int]
) -> None:
    """The dataset is that of the file without these rows, with a finding of how many and where."""
    head, body = "a,y\n", TEXTS if "text" in data else TABLE
    without, found = load(tmp_path, head + body, **data), load(tmp_path, head + body + odd, **data)
    assert (len(found), found.fingerprint) == (30, without.fingerprint)
    assert len(found.frame) == len(found.labels) == len(found.inputs) == 30
    (finding,) = [one for one in found.findings if one.code == "data.rows-set-aside"]
    assert (finding.evidence["count"], finding.evidence["rows"]) == (len(rows), rows)
    assert without.findings == ()


@pytest.mark.parametrize(("odd", "data"), [("77,\n", {}), (",yes\n", {"text": "a"})])
def test_a_project_can_refuse_incomplete_rows(tmp_path: Path, odd: str, data: dict[str, object]) -> None:
    """With unlabelled = "refuse" the first such row is an error that names it."""
    with pytest.raises(DataError, match=r"1 row without a (label|text) \(row 31\)"):
        load(tmp_path, "a,y\n" + (TEXTS if data else TABLE) + odd, unlabelled="refuse", **data)
