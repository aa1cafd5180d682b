"""`init` finds how a file is written, and reading follows what it found."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from tests.data.workbooks import make_workbook
from tiltyard.data.loading import load_dataset, read_rows
from tiltyard.data.sources import detect_layout, read_source
from tiltyard.errors import DataError
from tiltyard.project import DataSection, Project

ROWS = [(20 + place % 50, f"{1000 + 7.25 * place:.2f}", ("pro", "basic")[place % 2]) for place in range(60)]
TABLE = pd.DataFrame(ROWS, columns=["age", "fee", "plan"]).astype({"fee": float})
HEADER = "age,fee,plan\n"
PLAIN = "".join(f"{age},{fee},{plan}\n" for age, fee, plan in ROWS)


def german(fee: str) -> str:
    return f"{float(fee):,.2f}".translate(str.maketrans(",.", ".,"))


def detect(root: Path, content: str | bytes, name: str = "rows.csv", **stated: Any) -> tuple[dict[str, Any], Any]:
    """The options that were detected, and the rows as these options read them."""
    (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    header = stated.pop("header", None)
    layout = detect_layout(root / name, stated, header=header)
    assert len(layout.notices) >= (1 if set(layout.options) - set(stated) else 0)
    return layout.options, read_source(DataSection(source=name, **layout.options), root)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.txt", "rows.data", "rows"])
def test_every_separator_is_found_under_every_name(tmp_path: Path, name: str, separator: str) -> None:
    """Commas, semicolons, tabs and bars give the same table, whatever the file is called."""
    options, frame = detect(tmp_path, (HEADER + PLAIN).replace(",", separator), name)
    usual = "\t" if name == "rows.tsv" else ","
    assert options.get("separator", usual) == separator
    assert options.get("format") == (None if "." in name else "csv")
    pd.testing.assert_frame_equal(frame, TABLE)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (lambda fee: fee.replace(".", ","), {"separator": ";", "decimal": ","}),
        (german, {"separator": ";", "decimal": ",", "thousands": "."}),
        (lambda fee: f"{float(fee):,.2f}", {"separator": ";", "thousands": ","}),
        (lambda fee: f"{float(fee):,.2f}".replace(",", "'"), {"separator": ";", "thousands": "'"}),
    ],
)
def test_decimal_and_thousands_separators_are_found(tmp_path: Path, cell: Any, expected: dict[str, str]) -> None:
    """However amounts are written, they are read as the same numbers."""
    content = "age;fee;plan\n" + "".join(f"{age};{cell(fee)};{plan}\n" for age, fee, plan in ROWS)
    options, frame = detect(tmp_path, content)
    assert options == expected
    pd.testing.assert_frame_equal(frame, TABLE)


def test_amounts_in_quotes_are_numbers(tmp_path: Path) -> None:
    """Thousands separated by the separator of cells stand in quotes, and are numbers all the same."""
    content = HEADER + "".join(f'{age},"{float(fee):,.2f}",{plan}\n' for age, fee, plan in ROWS)
    options, frame = detect(tmp_path, content)
    assert options == {"thousands": ","}
    pd.testing.assert_frame_equal(frame, TABLE)


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        ("déjà cassé, hélas", "latin-1", "windows-1252"),
        ("“schön”, größer – für 5 €", "cp1252", "windows-1252"),
        ("mañana, señor", "latin-1", "windows-1252"),
        ("très élevé", "utf-8", None),
        ("très élevé", "utf-8-sig", None),
        ("très élevé", "utf-16", "utf-16"),
        ("très élevé", "utf-16-le", "utf-16-le"),
        ("очень хороший фильм, спасибо большое", "cp1251", "cp1251"),
    ],
)
def test_encodings_are_found(tmp_path: Path, text: str, encoding: str, found: str | None) -> None:
    """The characters are those that were written, and the project file says by which encoding."""
    content = "label|text\n" + "".join(f"{('pos', 'neg')[place % 2]}|{text} {place}\n" for place in range(40))
    options, frame = detect(tmp_path, content.encode(encoding))
    assert options.get("encoding") == found
    assert frame["text"][0] == f"{text} 0"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        "".join(f"{('ham', 'spam')[place % 2]},message number {place}\n" for place in range(40)),
        "".join(f"2026-01-{1 + place % 28:02d},{('a', 'b')[place % 2]}\n" for place in range(40)),
        "".join(f"{place},,{('a', 'b')[place % 2]}\n" for place in range(40)),
    ],
)
def test_a_first_row_of_values_is_no_header(tmp_path: Path, content: str) -> None:
    """A first row that looks like the rows below it is a row, and names are made up."""
    options, frame = detect(tmp_path, content)
    assert list(options["columns"]) == [f"column_{place + 1}" for place in range(frame.shape[1])]
    assert len(frame) == content.count("\n")


@pytest.mark.parametrize(
    "content",
    [
        HEADER + PLAIN,
        "label,0,1,2\n" + "a,5,6,7\nb,7,8,9\n" * 10,
        "plan,2019,2020,2021\n" + "a,5,6,7\nb,7,8,9\n" * 10,
        "v1,v2,,,\n" + "ham,see you,,,\nspam,win,,,\n" * 10,
        "text,label\n" + "a film,good\nthe film,bad\n" * 10,
    ],
)
def test_a_first_row_of_names_is_a_header(tmp_path: Path, content: str) -> None:
    """Words over numbers, years and pixels over numbers, and words that are not values are names."""
    options, frame = detect(tmp_path, content)
    assert "columns" not in options
    assert len(frame) == content.count("\n") - 1


def test_the_caller_may_say_that_there_is_no_header(tmp_path: Path) -> None:
    """A first row of words is a row where the caller says so."""
    options, frame = detect(tmp_path, "a,b\nc,d\n", header=False)
    assert options["columns"] == ("column_1", "column_2")
    assert len(frame) == 2


def test_what_the_caller_states_is_not_detected(tmp_path: Path) -> None:
    """Stated separator, decimal and encoding go into the project file as they are."""
    options, frame = detect(tmp_path, "a;b\n1,5;x,y\n2,5;z,w\n", separator=";", decimal=",", encoding="latin-1")
    assert options == {"separator": ";", "decimal": ",", "encoding": "latin-1"}
    assert frame["a"].tolist() == [1.5, 2.5]


def test_a_lone_quote_is_found(tmp_path: Path) -> None:
    """Where a quote is not closed, quotes are characters, and no row is lost; quoted separators stay in their cell."""
    rows = [f"ham\t{chr(34) * (place in (5, 15))}see you at {place}\n" for place in range(40)]
    options, frame = detect(tmp_path, "label\ttext\n" + "".join(rows), "rows.tsv")
    assert (options, len(frame)) == ({"quoting": "none"}, 40)
    options, frame = detect(tmp_path, "label,text\n" + 'a,"one, ""two""\nthree"\n' * 20)
    assert (options, frame["text"][0]) == ({}, 'one, "two"\nthree')


def test_long_files_are_sampled_within_a_cell(tmp_path: Path) -> None:
    """A sample that ends inside of a quoted cell says nothing about quotes."""
    options, _ = detect(tmp_path, "label;text\n" + 'a;"one\ntwo; three"\n' * 100_000)
    assert options == {"separator": ";"}


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.json.gz", "rows", "rows.txt"])
@pytest.mark.parametrize("lines", [True, False])
def test_json_is_read_as_lines_or_as_an_array(tmp_path: Path, name: str, lines: bool) -> None:
    """The content says whether it is one array or an object a line, whatever the name."""
    content = TABLE.to_json(orient="records", lines=lines, indent=None if lines else 2).encode()
    _, frame = detect(tmp_path, gzip.compress(content) if name.endswith(".gz") else content, name)
    pd.testing.assert_frame_equal(frame, TABLE)


def test_compressed_files_are_read(tmp_path: Path) -> None:
    """Zstandard, gzip and a ZIP archive of one file give the table; an archive of two names both."""
    content = (HEADER + PLAIN).encode()
    compressed = {
        "rows.csv.zst": pa.compress(content, codec="zstd", asbytes=True),
        "rows.csv.gz": gzip.compress(content),
    }
    for name, packed in compressed.items():
        _, frame = detect(tmp_path, packed, name)
        pd.testing.assert_frame_equal(frame, TABLE)
    for name in ("rows.csv.zip", "rows.zip"):
        with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
            archive.writestr("inner/rows.csv", content)
        _, frame = detect(tmp_path, (tmp_path / "one.zip").read_bytes(), name)
        pd.testing.assert_frame_equal(frame, TABLE)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", content)
        archive.writestr("b.csv", content)
    with pytest.raises(DataError, match=r"2 files: a\.csv, b\.csv"):
        detect_layout(tmp_path / "two.zip", {})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html>\n<html></html>", "an HTML page"),
        (b"\xef\xbb\xbf  <HTML><body>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS pointer"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"PK\x03\x04\x14\x00\x00\x00rows.csv", "a ZIP archive"),
        (b"PK\x03\x04\x14\x00[Content_Types].xml", "an Excel workbook"),
        (b"\x1f\x8b\x08\x00\x00\x00", "gzip"),
        (b"PAR1\x00\x00", "a Parquet file"),
        (b"SQLite format 3\x00", "a SQLite database"),
        (b"<?xml version='1.0'?>", "an XML document"),
    ],
)
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.jsonl"])
def test_what_is_no_table_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """A page, a pointer, an archive or a document is named as what it is, in `init` and in reading."""
    (tmp_path / name).write_bytes(content)
    for read in (lambda: detect_layout(tmp_path / name, {}), lambda: read_source(DataSection(source=name), tmp_path)):
        with pytest.raises(DataError) as caught:
            read()
        assert (caught.value.code, words in caught.value.message) == ("data.not-a-table", True)
        assert caught.value.next_step


def test_a_bad_encoding_names_the_option(tmp_path: Path) -> None:
    """Bytes that do not fit the stated encoding are refused with the option that states another."""
    (tmp_path / "rows.csv").write_bytes("a,b\né,1\n".encode("latin-1"))
    with pytest.raises(DataError) as caught:
        read_source(DataSection(source="rows.csv"), tmp_path)
    assert "--encoding" in caught.value.next_step
    assert "data.encoding" in caught.value.next_step
    with pytest.raises(DataError, match="klingon"):
        detect_layout(tmp_path / "rows.csv", {"encoding": "klingon"})


@pytest.mark.parametrize("name", ["rows.xlsx", "rows"])
def test_the_first_sheet_of_a_workbook_is_read(tmp_path: Path, name: str) -> None:
    """A workbook gives the rows of its first sheet, under whatever name, and a damaged one is refused."""
    pytest.importorskip("python_calamine")
    content = make_workbook(rows=[["age", "fee", "plan"], *map(list, TABLE.itertuples(index=False))])
    options, frame = detect(tmp_path, content, name)
    assert options == ({} if name == "rows.xlsx" else {"format": "excel"})
    pd.testing.assert_frame_equal(frame, TABLE)
    (tmp_path / "rows.xlsx").write_bytes(content[:300])
    with pytest.raises(DataError, match="cannot be read as excel"):
        read_source(DataSection(source="rows.xlsx"), tmp_path)


def test_another_file_of_the_same_ending_is_read_as_the_project_says(tmp_path: Path) -> None:
    """Rows to compare with are written like the project's own; how a file of another kind is written is detected."""
    base = {"project": {"name": "t", "task": "tabular-classification"}, "root": tmp_path}
    project = Project.model_validate({**base, "data": {"source": "rows.csv", "separator": ";", "decimal": ","}})
    (tmp_path / "later.csv").write_text("a;b\n1,5;x\n2,5;y\n", encoding="utf-8")
    (tmp_path / "later.txt").write_text("a|b\n1.5|x\n2.5|y\n", encoding="utf-8")
    for name in ("later.csv", "later.txt"):
        assert read_rows(project, name, tmp_path).to_dict("list") == {"a": [1.5, 2.5], "b": ["x", "y"]}


def test_texts_of_several_lines_between_bars_are_a_table(tmp_path: Path) -> None:
    """Quoted texts with line ends make no file of one text a line, whatever the file is called."""
    rows = "".join(
        f'{"ab"[place % 2]}|"it was a fine day\nat place {place}, we all thought\nand so on"\n' for place in range(60)
    )
    options, frame = detect(tmp_path, "label|text\n" + rows, "rows.txt")
    assert (options["separator"], len(frame)) == ("|", 60)


def test_decimal_commas_next_to_numbers_with_points_are_found(tmp_path: Path) -> None:
    """Between semicolons one column may have decimal commas and another points: both are numbers."""
    rows = "".join(f"{place},5;{place + 100}.25;{'ab'[place % 2]}\n" for place in range(60))
    (tmp_path / "rows.csv").write_text("monthly;total;y\n" + rows, encoding="utf-8")
    options = detect_layout(tmp_path / "rows.csv", {}).options
    base = {"project": {"name": "t", "task": "tabular-classification"}, "root": tmp_path}
    project = Project.model_validate({**base, "data": {"source": "rows.csv", "label": "y", **options}})
    inputs = load_dataset(project).inputs
    assert (inputs["monthly"].tolist()[:2], inputs["total"].tolist()[:2]) == ([0.5, 1.5], [100.25, 101.25])
