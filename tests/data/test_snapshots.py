"""Snapshots: rows kept under their fingerprint, from which the same dataset comes back."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.s3 import BUCKET, S3Server, s3, s3_server
from tiltyard.cli.data.group import data_group as command
from tiltyard.data import Dataset, load_dataset
from tiltyard.data.snapshots import snapshot_store
from tiltyard.data.snapshots.inventory import delete_snapshot, list_snapshots
from tiltyard.data.snapshots.snapshot import read_snapshot, take_snapshot
from tiltyard.errors import DataError
from tiltyard.project import Project

__all__ = ["s3", "s3_server"]

TEXTS = (
    'text,label,when\n"A fine film.",p,2026-01-01\nNA,n,2026-01-02\n"null, they said",n,\n'
    '"Ünïcode\nline",p,2026-01-04\n'
)
TABLE = (
    "age,member,city,code,price,empty,label\n"
    "30,True,Oslo,007,1.5,,1.0\n,False,NA,012,,,0.0\n50,,Rome,7,0.1234567890123456789,,1.0\n40,True,,000,3,,0.0\n"
)
LINES = [
    {"text": "1", "label": 1, "tags": ["a", "b"], "when": "2026-01-01"},
    {"text": "null", "label": 0, "tags": None, "when": 17},
    {"text": "\u2028 odd", "label": 1, "tags": {"x": 1}, "extra": 2**70},
]


def project(root: Path, source: str, **settings: Any) -> Project:
    text = {"text": "text"} if settings.pop("text", True) else {}
    task = "text-classification" if text else "tabular-classification"
    return Project.model_validate(
        {"project": {"name": "rows", "task": task}, "data": {"source": source, **text, **settings}, "root": root}
    )


def again(dataset: Dataset, uri: str, *, text: bool = True) -> Dataset:
    """The dataset of a project whose data.source names the snapshot."""
    return load_dataset(project(Path("/nowhere"), uri, text=text, label=str(dataset.labels.name)))


def kept(tmp_path: Path, name: str, content: str, *, text: bool = True) -> tuple[Dataset, Dataset]:
    (tmp_path / name).write_text(content, encoding="utf-8")
    dataset = load_dataset(project(tmp_path, name, text=text))
    snapshot = take_snapshot(dataset, tmp_path / "store")
    assert snapshot.created
    assert snapshot.uri == str(tmp_path / "store" / "rows" / f"{dataset.fingerprint}.parquet")
    return dataset, again(dataset, snapshot.uri, text=text)


def test_texts_with_words_for_gaps_come_back(tmp_path: Path) -> None:
    """NA and null are words in a text before and after; all columns are kept."""
    before, after = kept(tmp_path, "rows.csv", TEXTS)
    assert after.fingerprint == before.fingerprint
    assert list(after.inputs) == list(before.inputs)
    assert list(after.frame.columns) == ["text", "label", "when"]


def test_a_table_with_gaps_comes_back(tmp_path: Path) -> None:
    """Numbers, booleans, words and codes keep their kinds and gaps, and numbers keep every digit."""
    before, after = kept(tmp_path, "rows.csv", TABLE, text=False)
    assert after.fingerprint == before.fingerprint
    pd.testing.assert_frame_equal(pd.DataFrame(after.inputs), pd.DataFrame(before.inputs))
    assert after.labels.tolist() == before.labels.tolist()


def test_nested_and_mixed_values_survive_as_text(tmp_path: Path) -> None:
    """Nested values, mixtures of types and huge numbers are kept as their text."""
    lines = "\n".join(json.dumps(line, ensure_ascii=False) for line in LINES)
    before, after = kept(tmp_path, "rows.jsonl", lines)
    assert after.fingerprint == before.fingerprint
    table = tmp_path / "table.jsonl"
    table.write_text(lines.replace('"text"', '"name"'), encoding="utf-8")
    dataset = load_dataset(project(tmp_path, "table.jsonl", text=False, ignore=["tags"]))
    read = load_dataset(project(tmp_path, take_snapshot(dataset, tmp_path / "store").uri, text=False, ignore=["tags"]))
    assert list(pd.DataFrame(read.inputs)) == ["name", "when", "extra"]
    assert read.frame["tags"].tolist()[0] == "['a', 'b']"


def test_labels_of_mixed_types_come_back(tmp_path: Path) -> None:
    """1 and 1.0 are one label among words too, before and after."""
    lines = [{"text": str(number), "label": label} for number, label in enumerate([1, 1.0, "no", True])]
    before, after = kept(tmp_path, "rows.jsonl", "\n".join(map(json.dumps, lines)))
    assert before.labels.tolist() == after.labels.tolist() == ["1", "1", "no", "True"]
    assert after.fingerprint == before.fingerprint


def test_a_category_of_numbers_comes_back(tmp_path: Path) -> None:
    """What a Parquet file says of its columns, a snapshot says too."""
    counts = pd.array([1, None, 3], dtype="Int64")
    frame = pd.DataFrame({"zip": pd.Categorical([1, 2, 1]), "count": counts, "label": list("aba")})
    frame.to_parquet(tmp_path / "rows.parquet")
    dataset = load_dataset(project(tmp_path, "rows.parquet", text=False))
    after = again(dataset, take_snapshot(dataset, tmp_path / "store").uri, text=False)
    assert after.fingerprint == dataset.fingerprint
    assert isinstance(after.inputs, pd.DataFrame)
    assert isinstance(dataset.inputs, pd.DataFrame)
    assert list(after.inputs.dtypes) == list(dataset.inputs.dtypes)


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)


@settings(deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["a", "b"])), min_size=2, max_size=8))
def test_whatever_a_table_holds_comes_back(rows: list[tuple[object, object, str]], tmp_path_factory: Any) -> None:
    """Columns of any cells, mixed as they may be, are the same dataset after a snapshot, or are refused by name."""
    folder = tmp_path_factory.mktemp("any")
    lines = [{"x": x, "y": y, "label": label} for x, y, label in [*rows, (None, None, "a"), (None, None, "b")]]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    try:
        dataset = load_dataset(project(folder, "rows.jsonl", text=False))
    except DataError:
        return  # an infinite number, say: there is no dataset to keep
    assert again(dataset, take_snapshot(dataset, folder).uri, text=False).fingerprint == dataset.fingerprint


def test_rows_that_are_kept_already_are_not_written_again(tmp_path: Path) -> None:
    """A second snapshot of the same rows, in whatever order, changes nothing in the store."""
    (tmp_path / "rows.csv").write_text(TEXTS)
    dataset = load_dataset(project(tmp_path, "rows.csv"))
    first = take_snapshot(dataset, tmp_path / "store")
    before = Path(first.uri).stat().st_ino
    turned = dataset.frame.iloc[::-1]
    turned.to_csv(tmp_path / "turned.csv", index=False)
    second = take_snapshot(load_dataset(project(tmp_path, "turned.csv")), tmp_path / "store")
    assert (second.created, second.uri, second.rows) == (False, first.uri, 4)
    assert Path(first.uri).stat().st_ino == before
    assert [path.name for path in (tmp_path / "store").rglob("*.*")] == [Path(first.uri).name]


def test_values_other_than_inputs_and_labels_are_kept_with_them(tmp_path: Path) -> None:
    """A dataset that differs only in its times has the same fingerprint, and both sets of rows are kept."""
    (tmp_path / "rows.csv").write_text(TEXTS)
    first = take_snapshot(load_dataset(project(tmp_path, "rows.csv")), tmp_path)
    (tmp_path / "rows.csv").write_text(TEXTS.replace("2026-01-01", "2025-12-31"))
    later = load_dataset(project(tmp_path, "rows.csv"))
    second = take_snapshot(later, tmp_path)
    assert (second.fingerprint, second.created) == (first.fingerprint, True)
    assert read_snapshot(first.uri)["when"][0] == "2026-01-01"
    assert read_snapshot(second.uri)["when"][0] == "2025-12-31"
    assert not take_snapshot(later, tmp_path).created


def test_a_damaged_snapshot_is_noticed_and_replaced(tmp_path: Path) -> None:
    """A flipped bit is an error, not other rows; a file that is cut off is written anew."""
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(f"film number {n},{n % 2}\n" for n in range(500)))
    dataset = load_dataset(project(tmp_path, "rows.csv"))
    path = Path(take_snapshot(dataset, tmp_path).uri)
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_snapshot(path)
    assert caught.value.code == "data.unreadable"
    path.write_bytes(content[:100])
    assert take_snapshot(dataset, tmp_path).created
    assert len(read_snapshot(path)) == 500


def test_half_a_surrogate_pair_is_refused_by_row(tmp_path: Path) -> None:
    """A character that no UTF-8 text can hold is named, and nothing is kept."""
    (tmp_path / "rows.jsonl").write_text('{"text": "fine", "label": 1}\n{"text": "\\ud800 odd", "label": 0}\n')
    dataset = load_dataset(project(tmp_path, "rows.jsonl"))
    with pytest.raises(DataError, match="row 2") as caught:
        take_snapshot(dataset, tmp_path / "store")
    assert caught.value.code == "data.not-storable"
    assert not list((tmp_path / "store").rglob("*.parquet"))


def test_a_store_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file where a folder belongs, and an address of a kind that keeps nothing, are errors with a next step."""
    (tmp_path / "rows.csv").write_text(TEXTS)
    dataset = load_dataset(project(tmp_path, "rows.csv"))
    for store in (str(tmp_path / "rows.csv"), "klingon://host/store"):
        with pytest.raises(DataError) as caught:
            take_snapshot(dataset, store)
        assert caught.value.code == "data.store-unusable"
        assert caught.value.next_step


@pytest.mark.requirement("R-DATA-14")
def test_snapshots_are_kept_in_s3(s3: S3Server, tmp_path: Path) -> None:
    """A bucket does as well as a folder: the same dataset comes back, and nothing is written twice."""
    (tmp_path / "rows.csv").write_text(TEXTS)
    dataset = load_dataset(project(tmp_path, "rows.csv"))
    store = f"s3://{BUCKET}/snapshots/"
    taken = take_snapshot(dataset, store)
    assert taken.uri == f"s3://{BUCKET}/snapshots/rows/{dataset.fingerprint}.parquet"
    assert again(dataset, taken.uri).fingerprint == dataset.fingerprint
    assert len(read_snapshot(taken.uri)) == taken.rows
    assert (taken.created, take_snapshot(dataset, store).created) == (True, False)


def test_snapshots_in_s3_are_listed_renewed_and_taken_away(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket's snapshots are listed with rows, size and time; one used again after long is written again."""
    (tmp_path / "rows.csv").write_text(TEXTS)
    dataset = load_dataset(project(tmp_path, "rows.csv"))
    store = f"s3://{BUCKET}/snapshots/"
    assert list_snapshots(store, "rows") == []
    taken = take_snapshot(dataset, store)
    (rows,) = list_snapshots(store, "rows")
    assert (rows.uri, rows.fingerprint, rows.rows) == (taken.uri, dataset.fingerprint, 4)
    assert rows.bytes > 100
    assert abs(datetime.now(UTC) - rows.used_at) < timedelta(minutes=2)
    monkeypatch.setattr(snapshot_store, "RENEW", timedelta(0))
    assert not take_snapshot(dataset, store).created
    (renewed,) = list_snapshots(store, "rows")
    assert renewed.used_at >= rows.used_at
    delete_snapshot(store, renewed)
    delete_snapshot(store, renewed)
    assert list_snapshots(store, "rows") == []


def test_snapshots_in_a_folder_are_listed_and_renewed(tmp_path: Path) -> None:
    """A folder's snapshots are listed with rows, size and time; rows that are kept again count as used now."""
    (tmp_path / "rows.csv").write_text(TEXTS)
    dataset = load_dataset(project(tmp_path, "rows.csv"))
    store = tmp_path / "store"
    assert list_snapshots(store, "rows") == []
    taken = take_snapshot(dataset, store)
    os.utime(taken.uri, (1e9, 1e9))
    (tmp_path / "store" / "rows" / "damaged.parquet").write_bytes(b"PAR1")
    damaged, rows = list_snapshots(store, "rows")
    assert (damaged.rows, damaged.fingerprint) == (None, "damaged")
    assert rows.used_at == datetime.fromtimestamp(1e9, UTC)
    take_snapshot(dataset, store)
    rows = next(one for one in list_snapshots(store, "rows") if one.rows)
    assert datetime.now(UTC) - rows.used_at < timedelta(minutes=1)
    delete_snapshot(store, damaged)
    delete_snapshot(store, damaged)
    assert [one.name for one in list_snapshots(store, "rows")] == [rows.name]


def test_a_store_in_s3_that_cannot_be_used_is_named(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing bucket and wrong credentials are different errors."""
    (tmp_path / "rows.csv").write_text(TEXTS)
    dataset = load_dataset(project(tmp_path, "rows.csv"))
    with pytest.raises(DataError, match="bucket") as caught:
        take_snapshot(dataset, "s3://nowhere/snapshots")
    assert caught.value.code == "data.missing"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(DataError) as caught:
        take_snapshot(dataset, f"s3://{BUCKET}/snapshots")
    assert caught.value.code == "data.forbidden"


def test_the_command_keeps_rows_in_the_state_folder(tmp_path: Path) -> None:
    """`tiltyard data snapshot` prints the file that data.source can name."""
    (tmp_path / "rows.csv").write_text(TEXTS)
    file = tmp_path / "tiltyard.toml"
    file.write_text(
        '[project]\nname = "films"\ntask = "text-classification"\n[data]\nsource = "rows.csv"\ntext = "text"\n'
    )
    runner = CliRunner()
    done = runner.invoke(command, ["snapshot", "--project", str(file), "--json"], catch_exceptions=False)
    printed = json.loads(done.output)
    assert printed["uri"] == str(tmp_path / ".tiltyard" / "snapshots" / "films" / f"{printed['fingerprint']}.parquet")
    assert (printed["rows"], printed["created"]) == (4, True)
    again = runner.invoke(command, ["snapshot", "--project", str(file)], catch_exceptions=False)
    assert "Already stored" in again.output
