"""What a reader renames or leaves out is a finding of the dataset and of its validation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.workbooks import make_workbook
from tiltyard.data import Dataset, load_dataset, split_dataset
from tiltyard.errors import DataError
from tiltyard.pipeline import validate_data
from tiltyard.project import Project


def project_of(root: Path, **data: object) -> Project:
    about = {"name": "rows", "task": "tabular-classification"}
    return Project.model_validate({"project": about, "data": {"label": "y", **data}, "root": root})


def load(root: Path, header: str, line: str) -> tuple[Dataset, Project]:
    rows = [line.format(place, 3 * place % 7, place % 2) for place in range(60)]
    (root / "rows.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    project = project_of(root, source="rows.csv")
    return load_dataset(project), project


@pytest.mark.parametrize(
    ("header", "line", "code", "said"),
    [
        ("a,b,y", "{},{},{},", "data.trailing-cell", "Each of the 60 rows"),
        ("fee,fee,y", "{},{},{}", "data.repeated-name", "they are read as fee, fee.1"),
        ("fee,fee,fee,y", "{0},{1},{1},{2}", "data.repeated-name", "3 columns of the header are called 'fee'"),
    ],
)
def test_what_a_reader_changes_is_a_finding_of_the_dataset(
    tmp_path: Path, header: str, line: str, code: str, said: str
) -> None:
    """A trailing empty cell and a doubled name are findings of the dataset, of its parts and of its validation."""
    dataset, project = load(tmp_path, header, line)
    (found,) = dataset.findings
    assert found.code == code
    assert said in found.message
    split = split_dataset(dataset, project.split, None)
    assert split.test.findings == dataset.findings
    assert found in validate_data(dataset, split, project).findings


@pytest.mark.parametrize(("places", "names"), [((30,), "fee,plan,y"), ((1, 2, 59), "plan, fee,y")])
def test_a_header_among_the_rows_is_left_out(tmp_path: Path, places: tuple[int, ...], names: str) -> None:
    """Files that were put one after the other have their header again: it is not a row, and numbers stay numbers."""
    rows = [f"{place % 23}.5,{place % 7}.25,{place % 2}" for place in range(60)]
    lines = [line for place, row in enumerate(rows) for line in ([names] * (place in places) + [row])]
    (tmp_path / "rows.csv").write_text("\n".join([names, *lines]), encoding="utf-8")
    dataset = load_dataset(project_of(tmp_path, source="rows.csv"))
    (found,) = (found for found in dataset.findings if found.code == "data.repeated-header")
    assert found.score == len(places)
    assert (len(dataset), dataset.classes) == (60, ("0", "1"))
    assert dataset.schema is not None
    assert {column.kind for column in dataset.schema.columns} == {"number"}


def test_a_clean_file_has_no_finding(tmp_path: Path) -> None:
    """Reading a file as it stands finds nothing."""
    assert load(tmp_path, "a,b,y", "{},{},{}")[0].findings == ()


def test_a_finding_of_reading_can_be_ignored(tmp_path: Path) -> None:
    """validation.ignore silences what was found while reading, like any other finding."""
    dataset, project = load(tmp_path, "fee,fee,y", "{},{},{}")
    ignoring = Project.model_validate(
        {**project.model_dump(by_alias=True), "root": tmp_path, "validation": {"ignore": ["data.repeated-name:fee"]}}
    )
    checked = validate_data(dataset, split_dataset(dataset, project.split, None), ignoring)
    assert "data.repeated-name" not in {found.code for found in checked.findings}


def test_the_sheet_that_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    """A workbook's first sheet is read with a finding that names the others; data.sheet chooses one."""
    pytest.importorskip("python_calamine")
    rows: list[list[object]] = [["a", "y"]]
    rows += [[place, place % 2] for place in range(30)]
    (tmp_path / "book.xlsx").write_bytes(
        make_workbook(rows=rows, notes=[["z"], [1]], more=[["a", "y"], [7, 0], [8, 1]])
    )
    first = load_dataset(project_of(tmp_path, source="book.xlsx"))
    (found,) = first.findings
    assert (len(first), found.code, found.evidence["others"]) == (30, "data.other-sheets", ["notes", "more"])
    chosen = load_dataset(project_of(tmp_path, source="book.xlsx", sheet="more"))
    assert (chosen.inputs["a"].tolist(), chosen.findings) == ([7.0, 8.0], ())
    with pytest.raises(DataError, match=r"no sheet 'mor'; it has rows, notes, more\. Did you mean 'more'"):
        load_dataset(project_of(tmp_path, source="book.xlsx", sheet="mor"))
