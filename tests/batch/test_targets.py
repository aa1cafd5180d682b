"""Results appear in files, folders and tables alike, and never over what no run of ours wrote."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from tests.batch.conftest import Shop, make_rows
from tests.postgres import PostgresServer
from tests.small_disk import mount_disk
from tiltyard.batch.plan import WorkFolder
from tiltyard.batch.run import ProgressSoFar, RunOptions
from tiltyard.errors import DataError, TiltyardError, UsageError
from tiltyard.sqlite import open_sqlite

SAME = ["customer", "prediction", "confidence", "model_version"]


@pytest.fixture
def expected(shop: Shop) -> pd.DataFrame:
    """The results as a Parquet file has them; their source is in.parquet."""
    shop.score(shop.write("in.parquet", make_rows(2300, 30)), "expected.parquet", columns=("customer",))
    return pd.read_parquet(shop.folder / "expected.parquet")[SAME]


def test_all_targets_hold_the_same_rows(shop: Shop, expected: pd.DataFrame) -> None:
    """CSV, JSON Lines, a folder and a table of a database have the rows, in their order, of a Parquet file."""
    source = shop.folder / "in.parquet"
    for name in ("out.csv", "out.jsonl", "parts/"):
        shop.score(source, name, columns=("customer",))
    shop.score(source, f"sqlite:///{shop.folder / 'results.db'}", table="scores", columns=("customer",))
    with closing(open_sqlite(shop.folder / "results.db")) as connection:
        rows = connection.execute(f"SELECT {', '.join(SAME)} FROM scores ORDER BY prediction_id").fetchall()
    found = {
        "csv": pd.read_csv(shop.folder / "out.csv", dtype={"model_version": "str"}),
        "jsonl": pd.read_json(shop.folder / "out.jsonl", lines=True, dtype={"model_version": "str"}),
        "folder": ds.dataset(shop.folder / "parts").to_table().to_pandas(),
        "table": pd.DataFrame(rows, columns=SAME),
    }
    for kind, frame in found.items():
        pd.testing.assert_frame_equal(
            frame[SAME], expected, check_exact=kind in ("folder", "table"), check_dtype=False, obj=kind, rtol=1e-15
        )
    assert (shop.folder / "parts" / "_run.json").is_file()
    assert sorted(path.name for path in (shop.folder / "parts").glob("*.parquet")) == [
        f"part-{number:05d}.parquet" for number in range(3)
    ]


def test_a_variable_may_stand_in_a_target(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for all of an address; a password in the target itself is refused, and one that is not set is named."""
    monkeypatch.setenv("SCORES_DB", f"sqlite:///{shop.folder / 'results.db'}")
    monkeypatch.setenv("SCORES", str(shop.folder / "out"))
    source = shop.write("in.parquet", make_rows(30, 37))
    shop.score(source, "${SCORES_DB}", table="scores")
    shop.score(source, "${SCORES}/")
    assert (shop.folder / "out" / "_run.json").is_file()
    with closing(open_sqlite(shop.folder / "results.db")) as connection:
        assert connection.execute("SELECT count(*) FROM scores").fetchone() == (30,)
    for target, table, message in (
        ("${SCORES_DB}", None, "no table is named"),
        ("${NOT_SET}", "scores", "NOT_SET"),
        ("postgresql://me:secret@host/db", "scores", "The target holds a password"),
    ):
        with pytest.raises(TiltyardError, match=message) as refused:
            shop.score(source, target, table)
        assert "data.source" not in f"{refused.value.message} {refused.value.next_step}"
        assert "secret" not in refused.value.message


def test_a_later_run_replaces_the_results_of_an_earlier_one(shop: Shop, expected: pd.DataFrame) -> None:
    """A nightly run to the same place leaves its own rows alone there, in a file, a folder and a table."""
    source = shop.folder / "in.parquet"
    database = f"sqlite:///{shop.folder / 'results.db'}"
    for rows, seed in ((2300, 30), (1100, 31)):
        shop.write("in.parquet", make_rows(rows, seed))
        shop.score(source, "out.csv")
        shop.score(source, "parts/")
        shop.score(source, database, table="scores")
    assert len(expected) == 2300
    assert len(pd.read_csv(shop.folder / "out.csv")) == 1100
    assert ds.dataset(shop.folder / "parts").count_rows() == 1100
    with closing(open_sqlite(shop.folder / "results.db")) as connection:
        assert connection.execute("SELECT count(*) FROM scores").fetchone() == (1100,)


def test_what_no_run_wrote_is_not_replaced(shop: Shop) -> None:
    """A file, a folder with files or a table from elsewhere is refused, unless it is to be replaced."""
    source = shop.write("in.parquet", make_rows(1000, 32))
    (shop.folder / "own.csv").write_text("mine\n")
    (shop.folder / "own").mkdir()
    (shop.folder / "own" / "mine.txt").write_text("mine\n")
    with closing(open_sqlite(shop.folder / "own.db")) as connection:
        connection.execute("CREATE TABLE scores (mine TEXT)")
        connection.commit()
    targets: list[tuple[str, str | None]] = [
        ("own.csv", None),
        ("own/", None),
        (f"sqlite:///{shop.folder / 'own.db'}", "scores"),
    ]
    for target, table in targets:
        with pytest.raises(UsageError, match="no batch run wrote"):
            shop.score(source, target, table)
        shop.score(source, target, table, options=RunOptions(workers=1, overwrite=True))
    assert pd.read_csv(shop.folder / "own.csv").shape == (1000, 5)


@pytest.mark.parametrize(
    ("target", "table", "message"),
    [
        ("out.xlsx", None, r"cannot be written as '\.xlsx'"),
        ("nowhere/out.csv", None, "is not a folder"),
        ("s3://bucket/out.parquet", None, "cannot be written to s3://"),
        ("sqlite:///out.db", None, "no table is named"),
        ("out.csv", "scores", "--to-table is for databases"),
    ],
)
def test_a_target_that_cannot_be_written_is_named(shop: Shop, target: str, table: str | None, message: str) -> None:
    """Before anything is scored, and with what to do."""
    source = shop.write("in.parquet", make_rows(1000, 33))
    with pytest.raises(UsageError, match=message) as refused:
        shop.score(source, target, table)
    assert refused.value.next_step


def test_a_run_that_is_refused_before_it_begins_leaves_nothing(shop: Shop) -> None:
    """A source that is missing, a column that it does not have and a version that is none leave no folder of work."""
    target = shop.folder / "refused.parquet"
    rows = str(shop.write("in.parquet", make_rows(10, 31)))
    cases: list[tuple[str, dict[str, Any]]] = [
        (str(shop.folder / "missing.csv"), {}),
        (rows, {"columns": ("colour",)}),
        (rows, {"version": "99", "alias": None}),
    ]
    for source, changed in cases:
        with pytest.raises(TiltyardError):
            shop.score(source, str(target), **changed)
        assert not list(shop.folder.glob(".refused*")), changed


def test_a_run_that_is_refused_after_a_finished_one_forgets_nothing_of_it(shop: Shop) -> None:
    """A finished run is still known as finished after another to the same target was refused."""
    target = str(shop.folder / "kept.parquet")
    rows = str(shop.write("in.parquet", make_rows(10, 31)))
    shop.score(rows, target)
    with pytest.raises(UsageError, match="no column 'colour'"):
        shop.score(rows, target, columns=("colour",))
    assert shop.score(rows, target).already


def test_a_run_does_not_read_its_own_results(shop: Shop) -> None:
    """A target that belongs to the source is refused, also where it could be replaced."""
    source = shop.write("in.parquet", make_rows(50, 36))
    with pytest.raises(UsageError, match="is read as a part of the source"):
        shop.score(source, "in.parquet", options=RunOptions(workers=1, overwrite=True))
    shop.score(shop.folder / "*.parquet", "out.csv")
    assert shop.score(shop.folder / "*.parquet", "out.csv").already
    with pytest.raises(UsageError, match="is read as a part of the source"):
        shop.score(shop.folder / "*", "out.csv")
    (shop.folder / "tables").mkdir()
    (shop.folder / "tables" / "in.parquet").write_bytes(source.read_bytes())
    with pytest.raises(UsageError, match="is read as a part of the source"):
        shop.score(shop.folder / "tables" / "*.parquet", "tables/", options=RunOptions(workers=1, overwrite=True))
    assert pd.read_parquet(source).shape == (50, 5)


def test_a_carried_column_keeps_its_name(shop: Shop) -> None:
    """Where the source has a column of a result's name, the result's gets an ending; formulas are defused in CSV."""
    frame = make_rows(1000, 34).assign(prediction="=1+1")
    shop.score(shop.write("in.parquet", frame), "out.csv", columns=("prediction",))
    found = pd.read_csv(shop.folder / "out.csv")
    assert set(found["prediction"]) == {"'=1+1"}
    assert set(found["prediction_tiltyard"]) == {"yes", "no"}


def test_names_of_results_never_meet_those_of_the_source(shop: Shop) -> None:
    """Also where the source has the name with its ending; each name stands for one column."""
    frame = make_rows(30, 38).assign(prediction="own", prediction_tiltyard="own too", run_id=1)
    shop.score(shop.write("in.parquet", frame), "out.parquet", columns=("*",))
    found = pd.read_parquet(shop.folder / "out.parquet")
    assert found.columns.is_unique
    assert set(found["prediction_tiltyard"]) == {"own too"}
    assert set(found["prediction_tiltyard_tiltyard"]) <= {"yes", "no"}
    assert set(found["run_id"]) == {1}


def write_odd(shop: Shop) -> Path:
    """A table with a column of each type other than plain texts and numbers."""
    table = pa.Table.from_pandas(make_rows(3, 39).drop(columns="returned"), preserve_index=False)
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    odd = {
        "list": pa.array([[1, 2], None, []]),
        "object": pa.array([{"a": 1.5, "b": None}] * 3),
        "map": pa.array([[("k", 1)]] * 3, pa.map_(pa.string(), pa.int64())),
        "bytes": pa.array([b"\x00\xff"] * 3),
        "fraction": pa.array([float("nan"), float("inf"), 0.5]),
        "decimal": pa.array([Decimal("1.50")] * 3, pa.decimal128(10, 2)),
        "zoned": pa.array([moment] * 3, pa.timestamp("us", "Europe/Berlin")),
        "moment": pa.array([moment.replace(tzinfo=None)] * 3, pa.timestamp("us")),
        "date": pa.array([moment.date()] * 3),
        "time": pa.array([moment.time()] * 3),
        "while": pa.array([timedelta(seconds=3)] * 3),
        "large": pa.array([2**64 - 1] * 3, pa.uint64()),
        "words": pa.array(["a", "b", None]).dictionary_encode(),
        "nothing": pa.nulls(3),
    }
    for name, column in odd.items():
        table = table.append_column(name, column)
    pq.write_table(table, shop.folder / "odd.parquet")
    return shop.folder / "odd.parquet"


def test_columns_of_every_type_are_carried_into_every_target(shop: Shop, postgres: PostgresServer) -> None:
    """What a target has no type for is text: JSON of lists and objects, hexadecimal digits of bytes."""
    source = write_odd(shop)
    shop.score(source, "out.csv", columns=("*",))
    shop.score(source, "out.jsonl", columns=("*",))
    shop.score(source, "parts/", columns=("*",))
    cells = pd.read_csv(shop.folder / "out.csv", dtype="str", keep_default_na=False).iloc[0]
    assert json.loads(cells["object"]) == {"a": 1.5, "b": None}
    assert (cells["list"], cells["bytes"], cells["decimal"]) == ("[1, 2]", "00ff", "1.50")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    lines = (shop.folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    objects = [json.loads(line, parse_constant=refuse) for line in lines]
    assert [one["fraction"] for one in objects] == [None, None, 0.5]
    assert (objects[0]["bytes"], objects[0]["map"]) == ("00ff", [["k", 1]])
    shop.score(source, f"sqlite:///{shop.folder / 'odd.db'}", table="scores", columns=("*",))
    with closing(open_sqlite(shop.folder / "odd.db")) as connection:
        kept = connection.execute('SELECT "list", "bytes", "decimal", zoned, large FROM scores').fetchone()
    assert kept == ("[1, 2]", "00ff", "1.50", "2026-01-02 04:04:05+01:00", str(2**64 - 1))
    url = postgres.database()
    shop.score(source, url, table="scores", columns=("*",))
    with psycopg.connect(url) as server:
        row = server.execute('SELECT "object", "decimal", zoned, "date", large FROM scores').fetchone()
    assert row is not None
    assert json.loads(row[0]) == {"a": 1.5, "b": None}
    assert row[1:] == (
        Decimal("1.50"), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), date(2026, 1, 2), Decimal(2**64 - 1)
    )  # fmt: skip


def test_the_name_of_a_schema_is_not_a_part_of_a_table_s(shop: Shop) -> None:
    """A table named schema.table is not what is meant; the next step names the option."""
    source = shop.write("in.parquet", make_rows(5, 33))
    with pytest.raises(UsageError, match="has a dot") as refused:
        shop.score(source, f"sqlite:///{shop.folder / 'out.db'}", table="sales.scores")
    assert "search_path" in refused.value.next_step


def test_a_folder_that_was_moved_half_way_is_finished(shop: Shop) -> None:
    """A run that ended between its two renames has all its results, and puts them in place when it is started again."""
    source = shop.write("in.parquet", make_rows(2000, 35))
    folder = WorkFolder(shop.make_job(str(source), "parts/").target.work)

    def move_and_stop(so_far: ProgressSoFar) -> None:
        if so_far.rows == 2000:
            folder.parts.rename(folder.ready)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        shop.score(source, "parts/", options=RunOptions(workers=1, on_progress=move_and_stop))
    result = shop.score(source, "parts/")
    assert result.resumed == 2
    assert shop.score(source, "parts/").already
    assert ds.dataset(shop.folder / "parts").count_rows() == 2000


def test_a_full_disk_ends_a_run_which_continues_when_there_is_room(shop: Shop, tmp_path: Path) -> None:
    """The error names the folder and what to do; nothing half written is at the target, and the next run ends it."""
    rows = make_rows(60_000, 47)
    source = shop.write("in.parquet", rows)
    with mount_disk(tmp_path / "disk", 24) as disk:
        filler = disk / "filler"
        filler.write_bytes(bytes(23 << 20))
        target = disk / "out.parquet"
        with pytest.raises(DataError, match="No space left on device") as full:
            shop.score(source, target, columns=("*",), record="none")
        assert "it continues" in full.value.next_step
        assert not target.exists()
        filler.unlink()
        result = shop.score(source, target, columns=("*",), record="none")
        assert (result.scored, len(pd.read_parquet(target))) == (60_000, 60_000)
        assert result.resumed > 0
