"""Words that usually stand for a gap: where they are values, and where they are gaps."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tiltyard.data import Dataset, load_dataset
from tiltyard.data.conform.frames import conform_frame, infer_schema
from tiltyard.data.conform.gaps import list_gap_decisions
from tiltyard.data.conform.rows import make_cell_reader
from tiltyard.data.loading import read_rows
from tiltyard.data.sources import read_source
from tiltyard.findings import Finding
from tiltyard.project import DataSection, Project
from tiltyard.validation import DataValidator

ROWS = 40


def load(folder: Path, columns: dict[str, list[str]], **data: object) -> Dataset:
    """The dataset of a CSV file with these columns, a column of numbers and a label."""
    frame = pd.DataFrame({"age": range(ROWS), **columns, "y": ["a", "b"] * (ROWS // 2)})
    frame.to_csv(folder / "rows.csv", index=False)
    section = {"source": str(folder / "rows.csv"), "label": "y", **data}
    return load_dataset(
        Project.model_validate({"project": {"name": "rows", "task": "tabular-classification"}, "data": section})
    )


def column_of(dataset: Dataset, name: str) -> list[object]:
    """The column that the model sees, None for a gap."""
    assert isinstance(dataset.inputs, pd.DataFrame)
    return [None if pd.isna(value) else value for value in dataset.inputs[name]]


@pytest.mark.parametrize(
    ("word", "others"), [("NA", ["EU"]), ("None", ["basic", "pro"]), ("null", ["one", "two", "three"])]
)
def test_a_usual_category_that_is_called_like_a_gap_is_a_value(tmp_path: Path, word: str, others: list[str]) -> None:
    """A word for gaps that is as usual as the categories around it is one of them, and a finding says so."""
    values = [word, *others]
    cells = [values[row % len(values)] for row in range(ROWS)]
    dataset = load(tmp_path, {"region": cells})
    assert column_of(dataset, "region") == cells
    [finding] = [one for one in dataset.findings if one.code == "data.gap-word"]
    assert finding.subject == "region"
    assert finding.evidence == {"word": word, "rows": cells.count(word), "value": True}
    assert "data.gaps" in finding.next_step


def test_a_rare_word_for_gaps_is_a_gap(tmp_path: Path) -> None:
    """A word for gaps that is rarer than the categories is a missing value, and a finding says so."""
    dataset = load(tmp_path, {"region": [*["EU", "US"] * 19, "NA", "EU"]})
    assert column_of(dataset, "region").count(None) == 1
    [finding] = [one for one in dataset.findings if one.code == "data.gap-word"]
    assert finding.evidence["value"] is False


def test_a_word_that_stands_for_missing_numbers_is_a_gap_everywhere(tmp_path: Path) -> None:
    """A file that writes its missing numbers as NA means a gap by NA in its columns of words, too."""
    numbers = ["NA" if row % 3 == 0 else str(row) for row in range(ROWS)]
    dataset = load(tmp_path, {"region": ["EU", "NA"] * (ROWS // 2), "fee": numbers})
    assert column_of(dataset, "region") == ["EU", None] * (ROWS // 2)


def test_real_empty_cells_speak_for_a_value(tmp_path: Path) -> None:
    """In a column with empty cells, a word for gaps that is as usual as the rarest category is a value."""
    cells = ["", "", *["EU"] * 30, *["AF"] * 4, *["NA"] * 4]
    dataset = load(tmp_path, {"region": cells})
    assert column_of(dataset, "region") == [None, None, *cells[2:]]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["None", "NA"], {"None", "NA"}),
        (["null", "N/A", "NULL"], {"null", "N/A", "NULL"}),
        (["None", ""], {"None"}),
        (["NA"], set()),
        (["nan", "NaN"], set()),
    ],
)
def test_a_column_of_nothing_but_words_for_gaps(tmp_path: Path, form: str, cells: list[str], values: set[str]) -> None:
    """Two words that people write, or one next to empty cells, are values; one alone and programs' words are gaps."""
    frame = pd.DataFrame({"extra": (cells * ROWS)[:ROWS], "y": ["a", "b"] * (ROWS // 2)})
    content = frame.to_csv(index=False) if form == "csv" else frame.to_json(orient="records", lines=True)
    (tmp_path / f"rows.{form}").write_text(str(content))
    found: list[Finding] = []
    read = read_source(DataSection(source=f"rows.{form}", label="y"), tmp_path, verbatim=("y",), found=found)
    assert set(read["extra"].dropna()) - {""} == values
    said = {one.evidence["word"]: one.evidence["value"] for one in found if one.code == "data.gap-word"}
    assert said == {word: word in values for word in cells if word}


def test_the_only_word_of_a_column_is_a_gap_everywhere(tmp_path: Path) -> None:
    """A file that fills an empty column with NA means a gap by NA in its columns of words, too."""
    dataset = load(tmp_path, {"region": ["EU", "NA"] * (ROWS // 2), "extra": ["NA"] * ROWS})
    assert column_of(dataset, "region") == ["EU", None] * (ROWS // 2)


@pytest.mark.parametrize(("gaps", "expected"), [([], ["EU", "NA", "-"]), (["NA", "-"], ["EU", None, None])])
def test_stated_words_are_the_gaps(tmp_path: Path, gaps: list[str], expected: list[object]) -> None:
    """Where data.gaps names the words for gaps, these are gaps and no other word is one."""
    dataset = load(tmp_path, {"region": [*["EU", "NA", "-"] * 13, "EU"]}, gaps=gaps)
    assert column_of(dataset, "region")[:3] == expected


def test_the_schema_keeps_the_decision_for_later_rows() -> None:
    """A row, and a frame of a single row, read a word as the training rows did, however rare it is there."""
    schema = infer_schema(pd.DataFrame({"region": ["EU", "NA"] * 20, "plan": [*["a", "b"] * 19, "NA", "a"]}))
    later = pd.DataFrame({"region": ["NA"], "plan": ["NA"]})
    conforming = conform_frame(later, schema)
    assert conforming["region"].tolist() == ["NA"]
    assert conforming["plan"].isna().all()
    region, plan = (make_cell_reader(column, schema.rules) for column in schema.columns)
    assert region(" NA ") == "NA"
    assert plan("NA") is None


def test_other_rows_of_a_project_follow_the_decision_of_its_own(tmp_path: Path) -> None:
    """Rows that are compared with the project's read a word as these do; a word that these lack, as their own show."""
    half = ROWS // 2
    rare = [*["a", "b"] * (half - 1), "NA", "a"]
    dataset = load(tmp_path, {"region": ["EU", "NA"] * half, "plan": rare, "tier": ["x"] * ROWS})
    other = pd.DataFrame(
        {"region": [*["EU"] * (ROWS - 1), "NA"], "plan": ["a", "NA"] * half, "tier": ["x", "None"] * half}
    )
    other.assign(y=["a", "b"] * half).to_csv(tmp_path / "other.csv", index=False)
    project = Project.model_validate(
        {"project": {"name": "rows", "task": "tabular-classification"}, "data": {"source": "rows.csv", "label": "y"}}
    )
    read = read_rows(project, "other.csv", tmp_path, decided=list_gap_decisions(dataset.findings))
    assert read["region"].tolist() == other["region"].tolist()
    assert int(read["plan"].isna().sum()) == half
    assert read["tier"].tolist() == other["tier"].tolist()
    alone = read_rows(project, "other.csv", tmp_path)
    assert (int(alone["region"].isna().sum()), int(alone["plan"].isna().sum())) == (1, 0)


def test_a_word_that_reading_settled_is_not_reported_again(tmp_path: Path) -> None:
    """A word with a finding of the reading is not reported as a stand-in; other stand-ins are."""
    dataset = load(tmp_path, {"region": ["NA", "EU", "US", "?"] * (ROWS // 4)})
    report = DataValidator().validate_dataset(dataset.frame, label="y", reading=dataset.findings)
    named = {found.code: found.evidence for found in report.findings}
    assert named["data.gap-word"]["word"] == "NA"
    assert named["data.stand-in"]["values"] == {"?": ROWS // 4}
