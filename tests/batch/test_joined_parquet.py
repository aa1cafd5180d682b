"""Parquet files are joined without being written again, and hold the same rows."""

from __future__ import annotations

import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tiltyard.batch.score_fragment import open_writer
from tiltyard.batch.targets.joined_parquet import join_parquet


def make_table(rows: int, start: int = 0) -> pa.Table:
    """Rows of columns of many types, with gaps."""
    numbers = range(start, start + rows)
    return pa.table(
        {
            "prediction": pa.array(["yes" if number % 3 else "no" for number in numbers], pa.string()),
            "confidence": pa.array([None if number % 7 == 0 else number / 3 for number in numbers], pa.float64()),
            "count": pa.array([number - 100 for number in numbers], pa.int64()),
            "sure": pa.array([number % 2 == 0 for number in numbers], pa.bool_()),
            "at": pa.array([number * 10**6 for number in numbers], pa.timestamp("us", "UTC")),
            "parts": pa.array([[number] * (number % 3) for number in numbers], pa.list_(pa.int32())),
            "prediction_id": pa.array([f"00000000-0000-7000-8000-{number:012d}" for number in numbers], pa.string()),
        }
    )


def write_parts(folder: Path, sizes: list[int], group: int = 1000) -> list[Path]:
    """Parts as a run writes them, with as many rows as are named."""
    parts = []
    starts = itertools.accumulate(sizes, initial=0)
    for number, (rows, start) in enumerate(zip(sizes, starts, strict=False)):
        part = folder / f"part-{number}.parquet"
        table = make_table(rows, start)
        with open_writer(part, table.schema) as writer:
            for first in range(0, rows, group):
                writer.write_table(table.slice(first, group))
        parts.append(part)
    return parts


@pytest.mark.parametrize("sizes", [[5], [700, 1, 1300], [50] * 150], ids=["one", "three", "many"])
def test_a_joined_file_holds_the_rows_of_all_parts(tmp_path: Path, sizes: list[int]) -> None:
    """In their order and with their types, group by group, and each group's statistics are those of its rows."""
    parts = write_parts(tmp_path, sizes, group=500)
    joined = tmp_path / "joined.parquet"
    assert join_parquet(parts, joined)
    rows = sum(sizes)
    assert pq.read_table(joined).equals(make_table(rows))
    opened = pq.ParquetFile(joined)
    assert opened.metadata.num_rows == rows
    groups = [
        pq.ParquetFile(part).read_row_group(k) for part in parts for k in range(pq.ParquetFile(part).num_row_groups)
    ]
    assert opened.num_row_groups == len(groups)
    for number, group in enumerate(groups):
        assert opened.read_row_group(number).equals(group)
        held = opened.metadata.row_group(number).column(2).statistics
        assert (held.min, held.max) == (group["count"][0].as_py(), group["count"][-1].as_py())
    assert [field.type for field in opened.schema_arrow] == [field.type for field in make_table(1).schema]


def test_a_part_of_a_joined_file_can_be_read_alone(tmp_path: Path) -> None:
    """Columns and groups are found where the footer says."""
    joined = tmp_path / "joined.parquet"
    assert join_parquet(write_parts(tmp_path, [900, 800]), joined)
    found = pq.ParquetFile(joined).read_row_group(1, columns=["count", "prediction_id"])
    assert found.equals(make_table(1700).slice(900).select(["count", "prediction_id"]))
    twice = tmp_path / "twice.parquet"
    assert join_parquet([joined, joined], twice)
    assert pq.read_table(twice).equals(pa.concat_tables([make_table(1700)] * 2))


def test_what_cannot_be_joined_is_left_to_be_written_anew(tmp_path: Path) -> None:
    """Parts of different schemas, and page indexes, which say where pages are, are not joined."""
    (part,) = write_parts(tmp_path, [10])
    other = tmp_path / "other.parquet"
    pq.write_table(make_table(10).drop_columns("sure"), other)
    assert not join_parquet([part, other], tmp_path / "joined.parquet")
    pq.write_table(make_table(10), other, write_page_index=True)
    assert not join_parquet([other], tmp_path / "joined.parquet")
    other.write_bytes(b"no Parquet at all")
    with pytest.raises(ValueError, match="not a Parquet file"):
        join_parquet([other], tmp_path / "joined.parquet")
