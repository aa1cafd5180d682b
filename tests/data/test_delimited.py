"""Delimited text is read without a shifted, lost or swallowed row."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pytest

from tiltyard.data.sources import read_source
from tiltyard.data.sources.delimited import read_delimited
from tiltyard.data.sources.delimited.dialect import Dialect, LoneQuoteError, read_records
from tiltyard.data.sources.files import SourceFile
from tiltyard.errors import DataError
from tiltyard.project import DataSection


def read(root: Path, content: str | bytes, name: str = "rows.csv", **data: Any) -> pd.DataFrame:
    verbatim = data.pop("verbatim", ())
    (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_source(DataSection(source=name, **data), root, verbatim=verbatim)


def refusal(root: Path, content: str, name: str = "rows.csv", **data: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(root, content, name, **data)
    assert caught.value.next_step
    return caught.value


@pytest.mark.parametrize(
    ("content", "line", "cells", "expected"),
    [
        ("label,age,fee\n0,20,27,7\n1,27,54,6\n", 2, 4, 3),
        ("a,b\n1,2\n3\n4,5\n", 3, 1, 2),
        ("a,b\n1,2\n3,4,5\n", 3, 3, 2),
        ('a,b\n"x\ny",2\n\n3\n', 5, 1, 2),
        ("a,b\n1,2,\n3,4\n", 2, 3, 2),
        ("a,b\n" + "1,2,\n" * 100 + "3,4,5\n", 102, 3, 2),
        ("a,b\r\n1,2\r\n3,\r\n4\r\n", 4, 1, 2),
    ],
)
def test_the_first_uneven_row_is_named_with_its_counts(
    tmp_path: Path, content: str, line: int, cells: int, expected: int
) -> None:
    """A row with more or fewer cells than the header is refused by its line and its counts; nothing shifts."""
    error = refusal(tmp_path, content)
    assert error.code == "data.uneven-rows"
    assert f"line {line} has {cells} cell" in error.message
    assert f"the header has {expected}" in error.message


def test_a_row_without_the_empty_last_cell_of_the_others_is_named(tmp_path: Path) -> None:
    """Where every row ends with an empty cell, one that does not is compared with those before it."""
    error = refusal(tmp_path, "a,b\n" + "1,2,\n" * 100 + "3,4\n5,6,\n")
    assert error.code == "data.uneven-rows"
    assert "line 102 has 2 cells, and the rows before it have 3" in error.message


@pytest.mark.parametrize("end", [",", ",\n", ",\r\n"])
def test_one_empty_cell_at_the_end_of_every_row_is_no_column(tmp_path: Path, end: str) -> None:
    """A comma after each row, and none in the header, moves no cell to another column."""
    line = "\r\n" if end.endswith("\r\n") else "\n"
    frame = read(tmp_path, f"y,age,plan{line}0,20,pro,{line}1,30,{end}")
    assert frame.columns.tolist() == ["y", "age", "plan"]
    assert frame["age"].tolist() == [20, 30]
    assert frame["plan"].tolist()[0] == "pro"
    assert pd.isna(frame["plan"][1])


def test_gaps_in_the_last_column_are_gaps(tmp_path: Path) -> None:
    """An empty last cell is a value that is not known, in a file with blank lines and quoted line ends too."""
    frame = read(tmp_path, 'a,b\n1,\n\n  \n"x\ny",2\n')
    assert frame["a"].tolist() == ["1", "x\ny"]
    assert frame["b"].isna().tolist() == [True, False]


QUOTES = {5: '"', 15: '"'}
LONE = "label\ttext\n" + "".join(f"ham\t{QUOTES.get(row, '')}see you at {row}\n" for row in range(20))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.tsv", LONE),
        ("rows.csv", LONE.replace("\t", ",")),
        ("rows.tsv", LONE.replace('"see you at 15', "see you at 15")),
    ],
)
def test_a_lone_quote_swallows_no_rows(tmp_path: Path, name: str, content: str) -> None:
    """A quote that opens a cell and is not closed at its end is refused, and read where quotes mean nothing."""
    error = refusal(tmp_path, content, name)
    assert (error.code, "line 7" in error.message) == ("data.quoting", True)
    assert 'data.quoting = "none"' in error.next_step
    frame = read(tmp_path, content, name, quoting="none")
    assert len(frame) == 20
    assert frame["text"][5] == '"see you at 5'


def test_separators_and_decimals_follow_the_project_file(tmp_path: Path) -> None:
    """Semicolons, tabs and bars separate cells, and commas are decimal separators, where the project says so."""
    for separator in ";\t|":
        content = "age;fee;plan\n20;27,7;pro\n27;54,6;basic\n".replace(";", separator)
        frame = read(tmp_path, content, separator=separator, decimal=",")
        assert frame["fee"].tolist() == [27.7, 54.6]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "windows-1252"])
@pytest.mark.parametrize("line", ["sep=;\n", "sep=;\r\n", '"sep=;"\n', "SEP=;\n", "sep=;;;\n"])
def test_a_first_line_states_the_separator(tmp_path: Path, line: str, encoding: str) -> None:
    """The line sep=; of Excel is neither a row nor a header: it states the separator, in any encoding."""
    content = f"{line}name;fee\nÉva;27.7\nO'Neil;\n"
    frame = read(tmp_path, content.encode(encoding), encoding=encoding)
    assert frame.columns.tolist() == ["name", "fee"]
    assert frame["name"].tolist() == ["Éva", "O'Neil"]
    assert frame["fee"].tolist()[0] == 27.7


def test_a_line_that_states_the_separator_counts_as_a_line(tmp_path: Path) -> None:
    """A separator in a compressed file holds for that file, and errors number its lines as an editor does."""
    packed = gzip.compress(b"sep=\t\r\na\tb\r\n1\t0012\r\n")
    assert read(tmp_path, packed, "rows.csv.gz", separator=",").to_dict("list") == {"a": [1], "b": ["0012"]}
    assert "line 4 has 3 cells" in refusal(tmp_path, "sep=|\na|b\n1|2\n3|4|5\n").message
    assert "line 3" in refusal(tmp_path, 'sep=|\na|b\n"1|2\n3|4\n').message


@pytest.mark.parametrize("first", ["sep=ab", "separator=;", "sep=", "sep=1"])
def test_other_first_lines_are_headers(tmp_path: Path, first: str) -> None:
    """A line that states no separator is a header like any other."""
    assert read(tmp_path, f"{first}\nx\ny\n", separator="|").columns.tolist() == [first]


@pytest.mark.parametrize(
    ("decimal", "thousands", "cells"),
    [(".", ",", ["1,163.74", "12"]), (",", ".", ["1.163,74", "12"]), (".", " ", ["1 163.74", "12.0"])],
)
def test_thousands_are_numbers_and_dates_are_not(
    tmp_path: Path, decimal: str, thousands: str, cells: list[str]
) -> None:
    """Groups of three digits are numbers; dates, codes and texts with the same characters stay as they are."""
    content = "fee;day;text\n" + "".join(f"{cell};01.02.2026;1,234\n" for cell in cells)
    frame = read(tmp_path, content, separator=";", decimal=decimal, thousands=thousands, verbatim=("text",))
    assert frame["fee"].tolist() == [1163.74, 12.0]
    assert frame["day"].tolist() == ["01.02.2026"] * 2
    assert frame["text"].tolist() == ["1,234"] * 2


def test_stated_columns_name_a_file_without_a_header(tmp_path: Path) -> None:
    """No row is lost to a header that is not there, and a first line of these very names is not a row."""
    columns = ("age", "plan")
    for content in ("20,pro\n30,basic\n", "age,plan\n20,pro\n30,basic\n"):
        frame = read(tmp_path, content, columns=columns)
        assert frame.to_dict("list") == {"age": [20, 30], "plan": ["pro", "basic"]}
    error = refusal(tmp_path, "20,pro,1\n", columns=columns)
    assert "data.columns names 2 columns" in error.message


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    """UTF-8 with and without a mark, and UTF-16, give the same names and cells."""
    text = "é,b\nü,1\n,2\n"
    for encoding, named in (("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("cp1252", "cp1252")):
        frame = read(tmp_path, text.encode(encoding), encoding=named)
        assert frame.columns.tolist() == ["é", "b"]
        assert frame["é"][0] == "ü"


def test_booleans_with_gaps_are_read(tmp_path: Path) -> None:
    """A column of booleans with gaps is not text, and is not searched for line ends."""
    frame = read(tmp_path, "row,agreed\n0,False\n1,\n2,True\n")
    assert list(frame["agreed"].dropna()) == [False, True]


def test_words_for_gaps_among_numbers_are_missing_cells(tmp_path: Path) -> None:
    """What data.gaps names is missing among numbers and booleans; a text that contains it stays as it is."""
    content = "n,b,w,m,label\n1,True,-999 km,NA,a\n-999,NA,red,2.5,b\nNA,False,blue,7,a\n"
    frame = read(tmp_path, content, gaps=("NA", "-999"), verbatim=("label",))
    assert frame["n"].isna().tolist() == [False, True, True]
    assert frame["m"].tolist()[1:] == [2.5, 7.0]
    assert frame["b"].tolist()[::2] == [True, False]
    assert frame["b"].isna().tolist() == [False, True, False]
    assert frame["w"].tolist() == ["-999 km", "red", "blue"]


@pytest.mark.parametrize("last", ["red", "1.5"])
def test_a_file_whose_gaps_are_empty_cells_is_parsed_once(tmp_path: Path, last: str) -> None:
    """Empty cells cost no second parsing: names, cells, needless zeros and widths of rows are read once."""
    path = tmp_path / "rows.csv"
    path.write_text(f"a,b,label,last\n1,x,p,{last}\n,,q,\n3,z,p,{last}\n")
    opened: list[IO[bytes]] = []

    def opener() -> IO[bytes]:
        opened.append(path.open("rb"))
        return opened[-1]

    section = DataSection(source="rows.csv")
    frame = read_delimited(SourceFile("rows.csv", None, opener, path), "csv", section, ("label",), [])
    assert frame.isna().to_numpy().sum() == 3
    assert len(opened) == 4


def test_a_quote_within_a_cell_is_not_mistaken_for_what_else_csv_refuses() -> None:
    """Only a quote is a lone quote: one that is not closed at the end, one that ends early; not the end of a line."""
    quoted = Dialect(",", quotes=True)

    def problem(*lines: str) -> Exception:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is compared below
            list(read_records(lines, quoted))
        return caught.value

    early = problem("a,b\n", '"x"y,1\n', "c,2\n")
    assert isinstance(early, LoneQuoteError)
    assert (early.line, early.unfinished) == (2, False)
    late = problem("a,b\n", '"x,1\n', "c,2\n")
    assert isinstance(late, LoneQuoteError)
    assert (late.line, late.unfinished) == (2, True)
    last = problem("a,b\n", '"x"y,1')
    assert isinstance(last, LoneQuoteError)
    assert (last.line, last.unfinished) == (2, False)
    assert type(problem("a,b\n", "x\ry,1\n")) is csv.Error
