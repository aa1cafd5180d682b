"""Reading sources and loading datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tiltyard.data import load_dataset
from tiltyard.errors import DataError
from tiltyard.project import Project

ROWS = pd.DataFrame(
    {"text": ["A fine film.", "NA", "null, they said", 'So "bad"\nit hurt'], "label": ["p", "n", "n", "n"]}
)


def project(root: Path, source: str, **data: Any) -> Project:
    return Project.model_validate(
        {
            "project": {"name": "films", "task": "text-classification"},
            "data": {"source": source, "text": "text", "label": "label", **data},
            "root": root,
        }
    )


def write(root: Path, name: str) -> None:
    path = root / name
    if name.endswith(".csv"):
        ROWS.to_csv(path, index=False)
    elif name.endswith(".tsv"):
        ROWS.to_csv(path, index=False, sep="\t")
    elif name.endswith(".jsonl"):
        ROWS.to_json(path, orient="records", lines=True)
    else:
        ROWS.to_parquet(path)


@pytest.mark.requirement("R-TRAIN-01")
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.jsonl", "rows.parquet"])
def test_every_format_gives_the_same_dataset(tmp_path: Path, name: str) -> None:
    """What the rows say does not depend on the format they are kept in; NA and null are words in a text."""
    write(tmp_path, "rows.parquet")
    expected = load_dataset(project(tmp_path, "rows.parquet"))
    write(tmp_path, name)
    dataset = load_dataset(project(tmp_path, name))
    assert list(dataset.inputs) == ROWS["text"].tolist()
    assert dataset.labels.tolist() == ROWS["label"].tolist()
    assert dataset.fingerprint == expected.fingerprint


def test_a_folder_holds_one_subfolder_a_label(tmp_path: Path) -> None:
    """The aclImdb layout: train and test folders become a column, the unlabelled folder is left out."""
    for side in ("train", "test"):
        for label in ("pos", "neg", "unsup"):
            folder = tmp_path / "aclImdb" / side / label
            folder.mkdir(parents=True)
            (folder / "0_1.txt").write_text(f"{side} {label}", encoding="utf-8")
    dataset = load_dataset(project(tmp_path, "aclImdb"))
    assert sorted(dataset.inputs) == ["test neg", "test pos", "train neg", "train pos"]
    assert dataset.classes == ("neg", "pos")
    assert set(dataset.frame["split"]) == {"train", "test"}
    assert dataset.frame["path"][0] == "train/neg/0_1.txt"


def test_a_glob_reads_all_files_in_name_order(tmp_path: Path) -> None:
    """A pattern stands for all files that fit, one after the other."""
    write(tmp_path, "b.csv")
    write(tmp_path, "a.csv")
    assert len(load_dataset(project(tmp_path, "*.csv"))) == 2 * len(ROWS)


PRICES = b"text,label\n" + b"".join(b"a%d,%d.25\n" % (place, place) for place in range(60))


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("rows.csv", b"", "data.empty", "0 bytes"),
        ("rows.csv", b"text,label\n", "data.empty", "no rows"),
        ("rows.csv", b"text,label\n\xff\xfe,p\n", "data.encoding", "0xff"),
        ("rows.csv", b"text,lable\na,p\n", "data.column-missing", "Did you mean 'lable'"),
        ("rows.csv", b"text,label\na,p\nb,p\n", "data.one-class", "'p'"),
        ("rows.csv", b"text,label\na,\nb,\n", "data.label-missing", "2 rows without a label"),
        ("rows.csv", b"text,label\n,p\n,n\n", "data.text-missing", "rows 1, 2"),
        ("rows.csv", PRICES, "data.label-continuous", "60 different numbers"),
        ("rows.jsonl", b'{"text": "a", "label"\n', "data.unreadable", "jsonl"),
        ("rows.jsonl", b'{"text": "a", "label": "p"}\n{"text": "b", "text": "c"}\n', "data.unreadable", "line 2"),
        ("rows.json", b'[{"text": "b: ", "label": "p", "label": "q"}]', "data.unreadable", "key 'label' twice"),
        ("rows.jsonl", b"\n", "data.empty", "no rows"),
        ("rows.parquet", b"not parquet", "data.unreadable", "parquet"),
        ("rows.dat", b"x", "data.format-unknown", ".dat"),
    ],
)
def test_each_unusable_file_has_its_own_error(tmp_path: Path, name: str, content: bytes, code: str, words: str) -> None:
    """Each kind of unusable file gives its own error, with what is wrong and a next step."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_dataset(project(tmp_path, name))
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.next_step


def test_a_rule_for_a_column_that_is_no_feature_is_refused(tmp_path: Path) -> None:
    """A column that [serving.unknown_columns] names has to be a feature; the error names the nearest."""
    (tmp_path / "rows.csv").write_text("plan,label\npro,p\nfree,n\n", encoding="utf-8")
    written = {
        "project": {"name": "plans", "task": "tabular-classification"},
        "data": {"source": "rows.csv"},
        "serving": {"unknown_columns": {"plann": "refuse"}},
    }
    with pytest.raises(DataError, match=r"serving\.unknown_columns") as caught:
        load_dataset(Project.model_validate({**written, "root": tmp_path}))
    assert "Did you mean 'plan'?" in caught.value.message


def test_a_missing_file_and_an_unknown_encoding_are_named(tmp_path: Path) -> None:
    """The error says which file was looked for, and which encoding is unknown."""
    with pytest.raises(DataError, match=r"nowhere\.csv does not exist"):
        load_dataset(project(tmp_path, "nowhere.csv"))
    write(tmp_path, "rows.csv")
    with pytest.raises(DataError, match="klingon"):
        load_dataset(project(tmp_path, "rows.csv", encoding="klingon"))


def test_another_encoding_is_read_when_named(tmp_path: Path) -> None:
    """data.encoding says how the bytes are meant."""
    (tmp_path / "rows.csv").write_bytes("text,label\ncafé,p\nthé,n\n".encode("latin-1"))
    assert list(load_dataset(project(tmp_path, "rows.csv", encoding="latin-1")).inputs) == ["café", "thé"]


def test_labels_are_text_however_they_were_written(tmp_path: Path) -> None:
    """Numbers and booleans become text, and a whole float is written like the integer."""
    pd.DataFrame({"text": ["a", "b", "c"], "label": [1.0, 0.0, 1.0]}).to_parquet(tmp_path / "floats.parquet")
    pd.DataFrame({"text": ["a", "b", "c"], "label": [1, 0, 1]}).to_parquet(tmp_path / "integers.parquet")
    floats = load_dataset(project(tmp_path, "floats.parquet"))
    assert floats.labels.tolist() == ["1", "0", "1"]
    assert floats.fingerprint == load_dataset(project(tmp_path, "integers.parquet")).fingerprint


def test_feature_columns_are_all_but_label_time_and_ignored(tmp_path: Path) -> None:
    """A table's features are what is left, or exactly what is named."""
    table = pd.DataFrame({"id": [1, 2], "age": [30, 40], "when": ["2026-01-01", "2026-01-02"], "label": ["y", "n"]})
    table.to_csv(tmp_path / "rows.csv", index=False)
    base = {"project": {"name": "t", "task": "tabular-classification"}, "root": tmp_path}
    data = {"source": "rows.csv", "ignore": ["id"], "time": "when"}
    assert list(load_dataset(Project.model_validate({**base, "data": data})).inputs.columns) == ["age"]
    named = {"source": "rows.csv", "features": ["id", "age"]}
    assert list(load_dataset(Project.model_validate({**base, "data": named})).inputs.columns) == ["id", "age"]
    with pytest.raises(DataError, match="'size'"):
        load_dataset(Project.model_validate({**base, "data": {"source": "rows.csv", "features": ["size"]}}))


def test_a_file_outside_of_the_project_is_named_without_detours(tmp_path: Path) -> None:
    """Messages name the file itself, not the way to it."""
    (tmp_path / "project").mkdir()
    (tmp_path / "rows.csv").write_text("text,label\na\n", encoding="utf-8")
    with pytest.raises(DataError) as refused:
        load_dataset(project(tmp_path / "project", "../rows.csv"))
    assert str(refused.value).startswith(f"{tmp_path / 'rows.csv'}: line 2 has 1 cell")
