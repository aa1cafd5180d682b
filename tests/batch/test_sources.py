"""Whatever a source is, its rows are those that training would read, and a row keeps its number."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import create_engine

from tests.batch.conftest import Shop, make_rows
from tiltyard.batch.fragments import FileSource
from tiltyard.batch.run import ProgressSoFar, RunOptions
from tiltyard.data.sources.blocks import block_file, cut_delimited, cut_lines
from tiltyard.data.sources.delimited import read_delimited
from tiltyard.data.sources.files import local_file
from tiltyard.errors import DataError, TiltyardError, UsageError
from tiltyard.project import DataSection

SAME = ["customer", "prediction", "confidence"]


def test_all_sources_of_the_same_rows_give_the_same_results(shop: Shop) -> None:
    """CSV, compressed or not, JSON Lines, JSON, several files and a database give what Parquet gives."""
    frame = make_rows(600, 40).drop(columns="returned")
    shop.score(shop.write("in.parquet", frame), "expected.parquet", columns=("customer",))
    expected = pd.read_parquet(shop.folder / "expected.parquet")[SAME]
    folder = shop.folder
    frame.to_csv(folder / "in.csv", index=False)
    (folder / "packed.csv.gz").write_bytes(gzip.compress((folder / "in.csv").read_bytes()))
    frame.to_json(folder / "in.jsonl", orient="records", lines=True)
    frame.to_json(folder / "in.json", orient="records")
    frame.head(200).to_csv(folder / "part-1.csv", index=False)
    frame.tail(400).to_csv(folder / "part-2.csv", index=False)
    engine = create_engine(f"sqlite:///{folder / 'in.db'}")
    frame.astype({"new": int}).to_sql("orders", engine, index=False)
    engine.dispose()
    sources = ["in.csv", "packed.csv.gz", "in.jsonl", "in.json", "part-*.csv"]
    for number, name in enumerate(sources):
        result = shop.score(folder / name, f"out{number}.parquet", columns=("customer",))
        found = pd.read_parquet(folder / f"out{number}.parquet")[SAME]
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, obj=name)
        assert result.refused == 0
    shop.score(f"sqlite:///{folder / 'in.db'}", "db.parquet", columns=("customer",), query="SELECT * FROM orders")
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "db.parquet")[SAME], expected, check_dtype=False)


def test_rows_of_another_length_are_refused_one_by_one(shop: Shop) -> None:
    """In a table, a row with too many or too few cells costs itself, and is reported by its number."""
    frame = make_rows(300, 41).drop(columns="returned")
    lines = frame.to_csv(index=False).splitlines()
    lines[10] += ",surplus"
    lines[20] = "c,1"
    (shop.folder / "in.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = shop.score(shop.folder / "in.csv", "out.parquet", columns=("customer",))
    assert (result.rows, result.refused) == (300, 2)
    described = [json.loads(line) for line in (shop.folder / "out.parquet.refused.jsonl").read_text().splitlines()]
    assert [one["row"] for one in described] == [10, 20]
    assert "It has 5 cells, and there are 4 columns." in described[0]["reason"]
    found = pd.read_parquet(shop.folder / "out.parquet")
    assert found["customer"].tolist() == [name for place, name in enumerate(frame["customer"]) if place not in (9, 19)]


def test_lines_that_are_not_json_are_refused_one_by_one(shop: Shop) -> None:
    """A broken line of JSON Lines costs itself and is listed by its number; empty lines are passed over."""
    frame = make_rows(5, 43).drop(columns="returned")
    lines = frame.to_json(orient="records", lines=True).splitlines()
    lines[1:1] = ["", '{"amount": 1, broken', "[1]", '{"amount": 1, "amount": 2}']
    (shop.folder / "in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = shop.score(shop.folder / "in.jsonl", "out.parquet", columns=("customer", "amount"))
    assert (result.rows, result.scored, result.refused) == (8, 5, 3)
    described = [json.loads(line) for line in (shop.folder / "out.parquet.refused.jsonl").read_text().splitlines()]
    assert [one["row"] for one in described] == [3, 4, 5]
    assert described[0]["reason"].startswith("It is not JSON: ")
    assert described[2]["reason"] == "It names the key 'amount' twice in one object."
    assert pd.read_parquet(shop.folder / "out.parquet")["customer"].tolist() == frame["customer"].tolist()
    (shop.folder / "array.jsonl").write_text(frame.to_json(orient="records"), encoding="utf-8")
    assert shop.score(shop.folder / "array.jsonl", "array.parquet").scored == 5


def test_columns_that_training_did_not_have_are_passed_over_in_every_format(shop: Shop) -> None:
    """A column of the source that the training rows did not have keeps no row from being scored, and may be the key."""
    frame = make_rows(30, 45).drop(columns="returned")
    write: dict[str, Callable[[Path], object]] = {
        "in.csv": lambda path: frame.to_csv(path, index=False),
        "in.jsonl": lambda path: frame.to_json(path, orient="records", lines=True),
        "in.json": lambda path: frame.to_json(path, orient="records"),
        "in.parquet": lambda path: frame.to_parquet(path, index=False),
    }
    for name, written in write.items():
        frame["order"] = orders = [f"{name}-{number}" for number in range(30)]
        written(shop.folder / name)
        result = shop.score(shop.folder / name, f"{name}.csv", columns=("order",), key="order", record="all")
        assert (result.scored, result.refused) == (30, 0), name
        assert pd.read_csv(shop.folder / f"{name}.csv")["order"].tolist() == orders
        assert {one.key for one in shop.ledger.predictions(route="batch")} >= set(orders)


@pytest.mark.requirement("R-MORE-12")
def test_a_folder_is_scored_as_its_files_are(shop: Shop) -> None:
    """Also one of fragments that an earlier run wrote, with its manifest and the rows that it refused."""
    frame = make_rows(2500, 46).drop(columns="returned")
    frame.loc[3, "plan"] = None
    source = shop.write("in.parquet", frame)
    shop.score(source, "expected.parquet", columns=("customer",))
    expected = pd.read_parquet(shop.folder / "expected.parquet")[SAME]
    shop.score(source, "parts/", columns=("*",))
    (shop.folder / "orders").mkdir()
    frame.head(1000).to_csv(shop.folder / "orders" / "1.csv", index=False)
    frame.tail(1500).to_csv(shop.folder / "orders" / "2.csv", index=False)
    for number, name in enumerate(("parts", "parts/", "orders")):
        result = shop.score(f"{shop.folder}/{name}", f"out{number}.parquet", columns=("customer",))
        assert (result.rows, result.refused) == (2500, 0)
        found = pd.read_parquet(shop.folder / f"out{number}.parquet")[SAME]
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, obj=name)
        assert shop.score(f"{shop.folder}/{name}", f"out{number}.parquet", columns=("customer",)).already
    frame.head(500).to_csv(shop.folder / "orders" / "3.csv", index=False)
    assert shop.score(shop.folder / "orders", "out2.parquet", columns=("customer",)).rows == 3000


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl", ".json"])
def test_columns_that_folders_name_are_read_and_carried(shop: Shop, ending: str) -> None:
    """A feature in the name of a folder counts as one in the file, whatever the files are."""
    frame = make_rows(400, 48).drop(columns="returned").sort_values("plan", kind="stable").reset_index(drop=True)
    shop.score(shop.write("in.parquet", frame), "expected.parquet", columns=("customer", "plan"))
    expected = pd.read_parquet(shop.folder / "expected.parquet")[[*SAME, "plan"]]
    for plan in ("basic", "plus"):
        (shop.folder / "orders" / f"plan={plan}").mkdir(parents=True)
        rows, path = frame[frame["plan"] == plan].drop(columns="plan"), f"orders/plan={plan}/part-0{ending}"
        if ending == ".parquet":
            shop.write(path, rows)
        elif ending == ".csv":
            rows.to_csv(shop.folder / path, index=False)
        else:
            rows.to_json(shop.folder / path, orient="records", lines=ending == ".jsonl")
    result = shop.score(shop.folder / "orders", "out.parquet", columns=("customer", "plan"))
    assert (result.rows, result.refused) == (400, 0)
    found = pd.read_parquet(shop.folder / "out.parquet")[[*SAME, "plan"]]
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("postgresql://me:secret@127.0.0.1:1/x", {"table": "orders"}),
        ("postgresql://127.0.0.1:1/x", {"table": "orders"}),
        ("sqlite:///empty.db", {}),
        ("sqlite:///empty.db", {"table": "orders"}),
        ("sqlite:///empty.db", {"query": "SELECT * FROM orders"}),
        ("sqlite:///nowhere.db", {"table": "orders"}),
        ("nowhere.csv", {}),
        ("nowhere/*.csv", {}),
        ("odd://x/y", {"table": "orders"}),
        ("empty.csv", {}),
        ("${NOT_SET_ANYWHERE}", {}),
    ],
)
def test_what_is_wrong_with_a_source_is_not_said_of_the_training_s(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, source: str, named: dict[str, str]
) -> None:
    """No error sends somebody who scores a table to the key of the training rows."""
    monkeypatch.chdir(shop.folder)
    (shop.folder / "empty.db").touch()
    (shop.folder / "empty.csv").touch()
    with pytest.raises(TiltyardError) as caught:
        shop.score(source, "out.parquet", **named)
    said = f"{caught.value.message} {caught.value.next_step}"
    assert "data." not in said.replace("empty.db", "").replace("data.sqlite", "")
    assert caught.value.next_step
    assert "secret" not in said


def test_a_folder_of_texts_is_no_table(shop: Shop) -> None:
    """It has no columns; the error says what to write instead."""
    for label in ("pos", "neg"):
        (shop.folder / "films" / label).mkdir(parents=True)
        (shop.folder / "films" / label / "1.txt").write_text(f"It is {label}.")
    with pytest.raises(DataError, match="folder of texts") as caught:
        shop.score(shop.folder / "films", "out.parquet")
    assert "JSON Lines" in str(caught.value.next_step)


@pytest.mark.parametrize("target", ["orders/out.parquet", "orders/scores/"])
def test_results_are_not_written_into_the_folder_that_is_read(shop: Shop, target: str) -> None:
    """Already the first time: the second run would read them."""
    (shop.folder / "orders").mkdir()
    shop.write("orders/a.parquet", make_rows(5, 46))
    with pytest.raises(UsageError, match="part of the source"):
        shop.score(shop.folder / "orders", target)
    assert [path.name for path in (shop.folder / "orders").glob("[!.]*")] == ["a.parquet"]


def test_a_file_that_is_added_meanwhile_is_left_to_the_next_run(shop: Shop) -> None:
    """Every process reads the files that were there when the run began, whatever sorts before them by now."""
    for number in (2, 3):
        shop.write(f"part-{number}.parquet", make_rows(1000, number))
    source = FileSource(DataSection(source="part-*.parquet"), shop.folder)
    names = [file.name for file in source.files]
    shop.write("part-1.parquet", make_rows(1000, 1))
    elsewhere: FileSource = pickle.loads(pickle.dumps(source))
    assert [file.name for file in elsewhere.files] == names
    assert elsewhere.find_states() == source.find_states()
    (shop.folder / "part-2.parquet").unlink()
    with pytest.raises(DataError, match=r"part-2.parquet was removed"):
        _ = pickle.loads(pickle.dumps(source)).files


def test_a_file_that_is_added_during_a_run_changes_no_result(shop: Shop) -> None:
    """The run has the rows that it began with; the next one finds that the source is another, and has all."""
    for number in (2, 3):
        shop.write(f"part-{number}.parquet", make_rows(1000, number))

    def add(so_far: ProgressSoFar) -> None:
        if not so_far.rows:
            shop.write("part-1.parquet", make_rows(1000, 1))

    options = RunOptions(workers=2, on_progress=add)
    result = shop.score(shop.folder / "part-*.parquet", "out.parquet", columns=("customer",), options=options)
    assert result.rows == 2000
    found = pd.read_parquet(shop.folder / "out.parquet")["customer"]
    assert sorted({name.split("-")[0] for name in found}) == ["c2", "c3"]
    assert found.is_unique
    assert shop.score(shop.folder / "part-*.parquet", "out.parquet", columns=("customer",)).rows == 3000


def test_a_parquet_file_with_a_column_twice_is_refused(shop: Shop) -> None:
    """The error names the column: nothing about encodings."""
    table = pa.Table.from_pandas(make_rows(5, 49), preserve_index=False)
    pq.write_table(table.append_column("plan", table["plan"]), shop.folder / "in.parquet")
    with pytest.raises(DataError, match="two columns 'plan'"):
        shop.score(shop.folder / "in.parquet", "out.parquet")


def test_files_whose_columns_differ_in_type_are_refused(shop: Shop) -> None:
    """Before anything is scored, where such a column is carried along; other columns may differ."""
    frame = make_rows(40, 44).assign(size=1)
    shop.write("a-1.parquet", frame)
    shop.write("a-2.parquet", frame.assign(size="large"))
    with pytest.raises(UsageError, match=r"Column 'size' is int64 and (large_)?string in .*a-1.*a-2"):
        shop.score(shop.folder / "a-*.parquet", "out.parquet", columns=("*",))
    assert shop.score(shop.folder / "a-*.parquet", "out.parquet", columns=("customer",)).scored == 80


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
def test_blocks_hold_whole_records(tmp_path: Path, size: int) -> None:
    """Blocks of any size together hold each record once, quoted line ends included, each after the header."""
    path = tmp_path / "in.csv"
    rows = ['1,"a\nb"', '2,"say ""no"""', "3,c", "", '4,"x,\n\n"', "5,"]
    path.write_text("\nid,text\n" + "\n".join(rows), encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    file = local_file(path, "in.csv")
    blocks = list(cut_delimited(file, "csv", DataSection(source="in.csv"), size))
    assert {block.header for block in blocks} == {b"\nid,text\n"}
    assert "".join(block.content.decode() for block in blocks) == text.removeprefix("\nid,text\n")
    assert sum(block.records for block in blocks) == 5
    before = 2
    for place, block in enumerate(blocks):
        assert block.first == 1 + sum(one.records for one in blocks[:place])
        assert block.line == before + 1
        # The first line that a reader counts after the header has its number in the whole file.
        assert block_file(file, block).first_line + block.header.count(b"\n") == block.line
        before += block.content.count(b"\n")
    lines = list(cut_lines(file, size))
    assert b"".join(block.content for block in lines) == path.read_bytes()
    assert sum(block.records for block in lines) == text.count("\n") + 1


def test_a_quote_that_is_not_closed_ends_the_run(shop: Shop) -> None:
    """A lone quote would swallow the rows after it: the run stops and says where."""
    lines = make_rows(50, 42).drop(columns="returned").to_csv(index=False).splitlines()
    lines[5] = lines[5].replace(",basic,", ',"basic,').replace(",plus,", ',"plus,')
    (shop.folder / "in.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="quote") as refused:
        shop.score(shop.folder / "in.csv", "out.parquet")
    assert refused.value.code == "data.quoting"
    assert refused.value.fields["line"] == 6


def test_a_line_has_its_number_in_the_whole_file(tmp_path: Path) -> None:
    """What is wrong in a later block is named by the line of the file."""
    path = tmp_path / "in.csv"
    path.write_text("id,text\n" + "1,a\n" * 100 + '2,"b\n3,c\n', encoding="utf-8")
    file = local_file(path, "in.csv")
    section = DataSection(source="in.csv")
    blocks = cut_delimited(file, "csv", section, 16)
    with pytest.raises(DataError, match=r"line 102\b"):
        _ = [read_delimited(block_file(file, block), "csv", section, None, []) for block in blocks]
