"""A folder of tables is one table: which files count, what the names of folders say, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.s3 import BUCKET, S3Server, s3, s3_server
from tiltyard.data import load_dataset
from tiltyard.data.loading import find_section, read_rows
from tiltyard.data.sources import read_source
from tiltyard.data.sources.files import SourceFile
from tiltyard.data.sources.source_reading import find_source_files
from tiltyard.errors import DataError
from tiltyard.pipeline.project_draft.request import DraftRequest, read_data_file
from tiltyard.project import DataSection, Project

__all__ = ["s3", "s3_server"]

ROWS = pd.DataFrame({"amount": range(10, 50), "plan": ["a", "b"] * 20, "label": ["yes", "no", "no", "yes"] * 10})


def write(path: Path, frame: pd.DataFrame = ROWS, **how: Any) -> None:
    """Write a table by the ending of its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith((".csv", ".csv.gz")) or not path.suffix:
        frame.to_csv(path, index=False, **how)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path, index=False)


def read(root: Path, source: str, **data: Any) -> pd.DataFrame:
    return read_source(DataSection(source=source, **data), root)


def list_names(root: Path, source: str, **data: Any) -> list[str]:
    files = find_source_files(DataSection(source=source, **data), root)
    assert files is not None
    return [Path(file.name).name for file in files]


def refuse(root: Path, source: str, code: str, **data: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(root, source, **data)
    assert caught.value.code == code
    assert caught.value.next_step
    return caught.value


@pytest.mark.requirement("R-MORE-12")
@pytest.mark.parametrize("source", ["orders", "orders/", "./orders"])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl", ".parquet"])
def test_a_folder_has_the_rows_of_all_its_files(tmp_path: Path, ending: str, source: str) -> None:
    """In the order of their names, as a pattern gives them."""
    for number, start in enumerate((0, 15, 30)):
        write(tmp_path / "orders" / f"part-{number}{ending}", ROWS.iloc[start : start + 15])
    found = read(tmp_path, source)
    pd.testing.assert_frame_equal(found, ROWS)
    pd.testing.assert_frame_equal(read(tmp_path, f"orders/*{ending}"), found)


def test_files_that_are_no_data_do_not_count(tmp_path: Path) -> None:
    """Hidden ones, marks of other programs, notes, unfinished copies, and what a batch run writes next to results."""
    folder = tmp_path / "orders"
    write(folder / "rows.parquet")
    for name in (
        "_run.json", "_SUCCESS", "_refused.jsonl", ".rows.parquet.crc", "README.md", "notes.txt", "next.parquet.tmp",
        "rows.parquet.run.json", "rows.parquet.refused.jsonl",
    ):  # fmt: skip
        (folder / name).write_text("no row\n")
    write(folder / ".rows.parquet.tiltyard" / "part-00000.parquet")
    write(folder / "_temporary" / "part-00000.parquet")
    assert list_names(tmp_path, "orders") == ["rows.parquet"]
    assert len(read(tmp_path, "orders")) == len(ROWS)


def test_a_json_file_of_another_name_counts(tmp_path: Path) -> None:
    """Only the file that stands next to its results is what a batch run wrote."""
    write(tmp_path / "orders" / "rows.refused.jsonl")
    assert list_names(tmp_path, "orders") == ["rows.refused.jsonl"]


def test_a_format_that_is_named_chooses_the_files(tmp_path: Path) -> None:
    """Those of its endings; where there are none, those without an ending."""
    folder = tmp_path / "orders"
    write(folder / "part-00000")
    write(folder / "part-00001")
    assert len(read(tmp_path, "orders", format="csv")) == 2 * len(ROWS)
    write(folder / "rows.csv")
    write(folder / "rows.parquet")
    assert list_names(tmp_path, "orders", format="csv") == ["rows.csv"]
    assert list_names(tmp_path, "orders", format="parquet") == ["rows.parquet"]


def test_tables_of_several_formats_are_refused(tmp_path: Path) -> None:
    """Which of them are meant is not known; the next step is a pattern."""
    write(tmp_path / "orders" / "a.csv.gz")
    write(tmp_path / "orders" / "b.csv.gz")
    write(tmp_path / "orders" / "c.parquet")
    error = refuse(tmp_path, "orders/", "data.mixed-formats")
    assert "2 files of csv (a.csv.gz) and 1 file of parquet (c.parquet)" in error.message
    assert "'orders/*.csv.gz'" in error.next_step
    assert len(read(tmp_path, "orders/*.csv.gz")) == 2 * len(ROWS)


@pytest.mark.parametrize("files", [[], ["notes.md"], [".hidden.csv"], ["_SUCCESS"]])
def test_a_folder_without_tables_is_refused(tmp_path: Path, files: list[str]) -> None:
    """Also an empty one; the error says what would count."""
    (tmp_path / "orders").mkdir()
    for name in files:
        (tmp_path / "orders" / name).write_text("a,b\n1,2\n")
    assert ".parquet" in refuse(tmp_path, "orders", "data.no-tables").message
    assert "format csv" in refuse(tmp_path, "orders", "data.no-tables", format="csv").message


def test_the_names_of_folders_are_columns(tmp_path: Path) -> None:
    """As Hive, Spark and pyarrow write them: escaped, and with a word for a missing value."""
    for number, (region, year) in enumerate((("north", 2025), ("a b%2Fc", 2026), ("__HIVE_DEFAULT_PARTITION__", 2026))):
        write(
            tmp_path / "orders" / f"region={region}" / f"year={year}" / "part-0.parquet", ROWS.iloc[number : number + 1]
        )
    found = read(tmp_path, "orders").sort_values("amount")
    assert found["amount"].tolist() == [10, 11, 12]
    assert found["region"].fillna("-").tolist() == ["north", "a b/c", "-"]
    assert found["year"].tolist() == ["2025", "2026", "2026"]


def test_columns_of_folders_are_read_like_those_of_files(tmp_path: Path) -> None:
    """Numbers among them are numbers to a model."""
    for year in range(2020, 2026):
        write(tmp_path / "orders" / f"year={year}" / "rows.csv", ROWS.assign(amount=ROWS["amount"] + year))
    described = {"project": {"name": "o", "task": "tabular-classification"}, "data": {"source": "orders"}}
    dataset = load_dataset(Project.model_validate({**described, "root": tmp_path}))
    assert dataset.schema is not None
    assert {column.name: column.kind for column in dataset.schema.columns}["year"] == "number"
    assert sorted(set(dataset.inputs["year"])) == [float(year) for year in range(2020, 2026)]


def test_other_folders_with_tables_are_refused(tmp_path: Path) -> None:
    """Neither taken nor left out in silence: the next step is the pattern that takes them."""
    write(tmp_path / "orders" / "a.parquet")
    write(tmp_path / "orders" / "archive" / "old.parquet")
    error = refuse(tmp_path, "orders", "data.nested-folders")
    assert "archive/old.parquet" in error.message
    assert "orders/**/*.parquet'" in error.next_step
    assert len(read(tmp_path, "orders/**/*.parquet")) == 2 * len(ROWS)


def test_folders_of_different_columns_are_refused(tmp_path: Path) -> None:
    """All files have the same columns of folders, or none."""
    write(tmp_path / "orders" / "region=north" / "a.parquet")
    write(tmp_path / "orders" / "b.parquet")
    assert (
        "none of b.parquet, region of region=north/a.parquet"
        in refuse(tmp_path, "orders", "data.nested-folders").message
    )


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    """A file that has the column of its folder would have two values for it."""
    write(tmp_path / "orders" / "plan=a" / "rows.csv")
    assert "'plan'" in refuse(tmp_path, "orders", "data.repeated-column").message


@pytest.mark.parametrize("name", ["_delta_log", ".hoodie"])
def test_tables_of_a_lake_are_refused(tmp_path: Path, name: str) -> None:
    """Their files hold rows that were replaced or deleted."""
    write(tmp_path / "orders" / "part-0.parquet")
    (tmp_path / "orders" / name).mkdir()
    refuse(tmp_path, "orders", "data.table-format")


def test_a_folder_of_texts_stays_one(tmp_path: Path) -> None:
    """One folder a label, also next to a table; with format = "folder" whatever else is there."""
    for label in ("pos", "neg"):
        (tmp_path / "films" / label).mkdir(parents=True)
        (tmp_path / "films" / label / "1.txt").write_text(f"It is {label}.")
    write(tmp_path / "films" / "index.csv")
    assert set(read(tmp_path, "films")["label"]) == {"pos", "neg"}
    assert set(read(tmp_path, "films", format="folder")["label"]) == {"pos", "neg"}
    assert len(read(tmp_path, "films", format="csv")) == len(ROWS)


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    """A folder that is linked into itself is listed once; a linked file counts."""
    write(tmp_path / "there.parquet")
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "here.parquet").symlink_to(tmp_path / "there.parquet")
    (tmp_path / "orders" / "again").symlink_to(tmp_path / "orders")
    assert list_names(tmp_path, "orders") == ["here.parquet"]


def test_how_the_files_of_a_folder_are_written_is_detected(tmp_path: Path) -> None:
    """For a first project file, and for a folder that is written otherwise than the project's own rows."""
    write(tmp_path / "orders" / "a.csv", ROWS.head(20), sep=";")
    write(tmp_path / "orders" / "b.csv", ROWS.tail(20), sep=";")
    first = read_data_file(DraftRequest(tmp_path / "orders", tmp_path / "tiltyard.toml"))
    assert first.layout.options["separator"] == ";"
    assert not first.folder
    assert first.frame.columns.tolist() == ROWS.columns.tolist()
    data = {"source": "train.parquet", "label": "label"}
    described = {"project": {"name": "o", "task": "tabular-classification"}, "data": data, "root": tmp_path}
    other = Project.model_validate(described)
    assert find_section(other, "orders/", tmp_path).separator == ";"
    assert len(read_rows(other, "orders", tmp_path)) == len(ROWS)
    own = Project.model_validate({**described, "data": {**data, "source": "orders", "separator": ";"}})
    write(tmp_path / "new.csv", ROWS, sep=";")
    assert find_section(own, "new.csv", tmp_path).separator == ";"


@pytest.mark.requirement("R-MORE-12")
def test_a_folder_of_a_bucket_is_read_like_one_here(s3: S3Server) -> None:
    """With a slash at the end or without; its hidden files do not count, and the names of its folders are columns."""
    bucket = s3.folder / BUCKET
    write(bucket / "orders" / "a.parquet", ROWS.head(20))
    write(bucket / "orders" / "b.parquet", ROWS.tail(20))
    (bucket / "orders" / "_SUCCESS").write_text("")
    for source in (f"s3://{BUCKET}/orders/", f"s3://{BUCKET}/orders"):
        pd.testing.assert_frame_equal(read(Path(), source), ROWS)
    write(bucket / "sales" / "year=2025" / "a.csv")
    assert set(read(Path(), f"s3://{BUCKET}/sales/")["year"]) == {"2025"}
    write(bucket / "mixed" / "a.csv")
    write(bucket / "mixed" / "b.parquet")
    refuse(Path(), f"s3://{BUCKET}/mixed/", "data.mixed-formats")
    refuse(Path(), f"s3://{BUCKET}/nothing/", "data.missing")
    refuse(Path(), "s3://nowhere/orders/", "data.missing")
    refuse(Path(), f"s3://{BUCKET}/orders/", "data.unreadable", format="folder")


def test_the_ending_of_a_bucket_s_files_says_how_they_are_written(s3: S3Server) -> None:
    """As those of the project's own rows, where they have the same ending."""
    write(s3.folder / BUCKET / "orders" / "a.csv", ROWS, sep=";")
    data = {"source": "train.csv", "separator": ";"}
    project = Project.model_validate({"project": {"name": "o", "task": "tabular-classification"}, "data": data})
    assert len(read_rows(project, f"s3://{BUCKET}/orders/").columns) == 3


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """Only what lists files is one."""
    write(tmp_path / "rows.csv")
    files = find_source_files(DataSection(source="rows.csv"), tmp_path)
    assert files is not None
    assert isinstance(files[0], SourceFile)
    assert not files[0].is_folder
    assert not files[0].list_files().files
