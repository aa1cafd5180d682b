"""Results appear in files, folders and tables alike, and never over what no run of ours wrote."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds
import pytest

from tests.batch.conftest import Shop, make_rows
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
