"""``tiltyard predict`` reads a row from any file as the training does, and as the server does."""

from __future__ import annotations

import base64
import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.data.workbooks import make_workbook
from tests.films import Films
from tests.serving.test_parity import SPELLINGS, training_file
from tiltyard import wiring
from tiltyard.console.data.try_it import inputs_from_file
from tiltyard.data.conform.frames import conform_frame
from tiltyard.project import load_project

Row = dict[str, Any]
ODD = {"age": "old", "fee": 1, "member": True, "place": "bar", "region": "EU", "zone": "1", "rate": "2 %", "cost": 3}
PROJECT = """
[project]
name = "rows"
task = "tabular-classification"
[data]
source = "rows.csv"
label = "y"
thousands = ","
[training]
candidates = ["logreg"]
"""
TEXTS = '[project]\nname = "films"\ntask = "text-classification"\n[data]\nsource = "rows.csv"\ntext = "review"\n'


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """A project of tables with a champion."""
    root = tmp_path_factory.mktemp("rows")
    training_file(root)
    (root / "tiltyard.toml").write_text(PROJECT, encoding="utf-8")
    project = Films(root)
    project.call("train", "--champion")
    return project


@pytest.fixture(scope="module")
def spelt() -> tuple[list[Row], list[Row]]:
    """Rows as the training file writes them, and the same rows spelt otherwise."""
    random = Random(7)
    plain, other = [], []
    for _ in range(25):
        groups = {name: random.choice(choices) for name, choices in SPELLINGS.items()}
        plain.append({name: group[0] for name, group in groups.items()})
        other.append({name: random.choice(group) for name, group in groups.items()})
    return plain, other


@pytest.fixture(scope="module")
def expected(rows: Films, spelt: tuple[list[Row], list[Row]]) -> Any:
    """The probabilities of the rows by the stored pipeline, after the conversion of the training."""
    project = load_project(rows.root)
    settings = wiring.load_settings(project)
    registry = wiring.open_registry(settings)
    loaded = wiring.open_version_loader(settings, registry).load(
        registry.get_version(project.model_name, alias="champion")
    )
    assert loaded.manifest.table_schema is not None
    frame = conform_frame(pd.DataFrame(spelt[0], dtype=object), loaded.manifest.table_schema)
    return loaded.pipeline.predict_proba(frame)


def write_delimited(file: Path, separator: str, found: list[Row]) -> None:
    """The cells as text, the names with white space around them."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=separator)
        writer.writerow([f" {name}" for name in found[0]])
        writer.writerows([["" if cell is None else cell for cell in row.values()] for row in found])


def write_texts(found: list[Row]) -> pd.DataFrame:
    return pd.DataFrame([{name: None if cell is None else str(cell) for name, cell in row.items()} for row in found])


def list_cells(found: list[Row]) -> list[list[object]]:
    """A header and rows; a workbook's cells are texts and numbers."""
    cells = [[str(cell) if isinstance(cell, bool) else cell for cell in row.values()] for row in found]
    return [list(found[0]), *cells]


WRITERS: dict[str, Callable[[Path, list[Row]], object]] = {
    "a.csv": lambda file, found: write_delimited(file, ",", found),
    "a.tsv": lambda file, found: write_delimited(file, "\t", found),
    "semicolons.txt": lambda file, found: write_delimited(file, ";", found),
    "a.jsonl": lambda file, found: file.write_text("".join(json.dumps(row) + "\n" for row in found)),
    "a.json": lambda file, found: file.write_text(json.dumps(found)),
    "nameless": lambda file, found: file.write_text("".join(json.dumps(row) + "\n" for row in found)),
    "a.parquet": lambda file, found: write_texts(found).to_parquet(file),
    "a.xlsx": lambda file, found: file.write_bytes(make_workbook(rows=list_cells(found))),
}


Written = Callable[[str], Path]


@pytest.fixture
def written(spelt: tuple[list[Row], list[Row]], tmp_path: Path) -> Written:
    """Writes the rows, spelt otherwise, into a file of that name."""

    def write(name: str) -> Path:
        WRITERS[name](tmp_path / name, spelt[1])
        return tmp_path / name

    return write


def check(predictions: Any, expected: Any) -> None:
    actual = [list(one["probabilities"].values()) for one in predictions]
    np.testing.assert_allclose(actual, expected, rtol=1e-9)
    assert {warning["value"] for one in predictions for warning in one.get("warnings", [])} == {"pub"}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_of_any_format_gives_the_predictions_of_the_training(
    rows: Films, written: Written, expected: Any, name: str
) -> None:
    """Rows from a file, however they are spelt and whatever the format, get the predictions of their evaluation."""
    file = written(name)
    check(rows.call_json("predict", "--file", str(file)), expected)
    if "." in name:
        content = base64.b64encode(file.read_bytes()).decode()
        uploaded = inputs_from_file(load_project(rows.root), name, f"data:;base64,{content}")
        check(rows.call_json("predict", "--", *(json.dumps(row) for row in uploaded)), expected)


def test_words_give_the_predictions_of_the_training(
    rows: Films, spelt: tuple[list[Row], list[Row]], expected: Any
) -> None:
    """Rows on the command line as JSON get the predictions of their evaluation."""
    check(rows.call_json("predict", "--", *map(json.dumps, spelt[1])), expected)


@pytest.mark.parametrize(("name", "options"), [("a.csv", ()), ("a.jsonl", ()), ("a.tsv", ("--format", "tsv"))])
def test_standard_input_is_read_by_its_content(
    rows: Films, written: Written, expected: Any, monkeypatch: pytest.MonkeyPatch, name: str, options: tuple[str, ...]
) -> None:
    """What comes on standard input is read as the project's own file, as JSON, or as --format says."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(written(name).read_bytes())))
    check(rows.call_json("predict", "--file", "-", *options), expected)


def test_the_training_file_itself_can_be_predicted(rows: Films) -> None:
    """The file that the champion learned from, label included, is predicted row by row without a warning."""
    predictions: Any = rows.call_json("predict", "--file", "rows.csv")
    assert len(predictions) == 120
    assert not any("warnings" in one for one in predictions)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "age,fee\n1,2,3\n", "line 2 has 3 cells"),
        ("a.csv", "", "empty"),
        ("a.csv", "age,fee\n", "no rows"),
        (
            "a.csv",
            "age,fee,member,place,region,rate,cost,agee\n1,2,1,bar,EU,2 %,$3,3\n",
            "'agee' is not a feature of this model",
        ),
        ("a.json", "{", "cannot be read as json"),
        ("a.jsonl", json.dumps(ODD), "'age' has to be a finite number"),
        ("a.parquet", "PAR", "cannot be read as parquet"),
        ("none.csv", None, "does not exist"),
    ],
)
def test_a_file_that_cannot_be_predicted_is_refused_with_the_reason(
    rows: Films, tmp_path: Path, name: str, content: str | None, words: str
) -> None:
    """A broken, empty or foreign file is refused in words, with the line or column."""
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    done = rows.call("predict", "--file", str(tmp_path / name), check=False)
    assert done.returncode != 0
    assert words in " ".join((done.stdout + done.stderr).split()), done.stderr


def test_a_code_keeps_its_zeros(tmp_path: Path) -> None:
    """A category that looks like a number (01234) is read as it is written, also where all cells of a file are such."""
    lines = [f"{n},{('01234', '77', 'x1')[n % 3]},{('no', 'yes')[(n % 3 == 0) ^ (n % 7 == 0)]}" for n in range(240)]
    (tmp_path / "rows.csv").write_text("size,code,y\n" + "\n".join(lines), encoding="utf-8")
    (tmp_path / "tiltyard.toml").write_text(PROJECT, encoding="utf-8")
    project = Films(tmp_path)
    project.call("train", "--champion", "--accept-data")
    (tmp_path / "some.csv").write_text("size,code\n50,01234\n50,77\n", encoding="utf-8")
    predictions: Any = project.call_json("predict", "--file", "some.csv")
    assert [one["prediction"] for one in predictions] == ["yes", "no"]
    assert not any("warnings" in one for one in predictions)


def test_texts_come_as_lines_or_as_the_column_of_a_table(tmp_path: Path) -> None:
    """A text project reads lines, and files of rows by their column; an unknown column is a warning."""
    lines = [f"{n},a {('bad', 'good')[n % 2]} film number {n},{('n', 'p')[n % 2]}" for n in range(120)]
    (tmp_path / "rows.csv").write_text("id,review,label\n" + "\n".join(lines), encoding="utf-8")
    (tmp_path / "tiltyard.toml").write_text(TEXTS, encoding="utf-8")
    project = Films(tmp_path)
    project.call("train", "--champion")
    (tmp_path / "a.txt").write_text("a good film\n\na bad, bad film\n", encoding="utf-8")
    (tmp_path / "a.csv").write_text('id,review\n1,a good film\n2,"a bad, bad film"\n', encoding="utf-8")
    (tmp_path / "a.jsonl").write_text('{"text": "a good film", "stars": 4}\n{"text": "a bad, bad film"}\n')
    found: list[Any] = [project.call_json("predict", "--file", name) for name in ("a.txt", "a.csv", "a.jsonl")]
    probabilities = [[one["probabilities"] for one in predictions] for predictions in found]
    assert [one["prediction"] for one in found[0]] == ["p", "n"]
    assert probabilities[0] == probabilities[1] == probabilities[2]
    [warning] = found[2][0]["warnings"]
    assert (warning["field"], warning["code"]) == ("stars", "unknown-column")


def test_prediction_sets_are_shown_on_request(rows: Films) -> None:
    """With a confidence each row has its set, the predicted label first; without it there is no such column."""
    given = ("predict", "--file", "rows.csv")

    def predict(*words: str) -> list[Row]:
        return list(json.loads(rows.call(*given, "--json", *words).stdout))

    found, wider = predict("--confidence-level", "0.6"), predict("--confidence-level", "0.8")
    assert all("prediction_set" not in one for one in predict())
    assert all(one["prediction_set"][0] == one["prediction"] for one in found)
    pairs = zip(found, wider, strict=True)
    assert all(set(one["prediction_set"]) <= set(more["prediction_set"]) for one, more in pairs)
    assert "set" in rows.call(*given, "--confidence-level", "0.6").stdout
    for wrong, words in (("90", "confidence_level 90.0 is not a number"), ("0.99999", "needs more held-out rows")):
        refused = rows.call(*given, "--confidence-level", wrong, check=False)
        assert refused.returncode != 0
        assert words in " ".join(refused.stderr.split())
