"""Columns of words are read by the numbers of their distinct words, and mean the same as words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tiltyard.batch.fragments import FileSource, Fragment
from tiltyard.batch.read_fragment import RowBatch, read_fragment, to_frame
from tiltyard.project import DataSection


def read(path: Path, words: list[str]) -> list[RowBatch]:
    """The rows of all groups of a file."""
    section = DataSection(source=str(path))
    groups = tuple(range(pq.ParquetFile(path).num_row_groups))
    return list(read_fragment(FileSource(section, path.parent), Fragment(0, 0, groups=groups), None, words, section))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("distinct", [1, 7, 5000])
@pytest.mark.parametrize("dictionary", [True, False], ids=["numbered", "plain"])
def test_words_are_what_was_written(tmp_path: Path, kind: pa.DataType, distinct: int, dictionary: bool) -> None:
    """Few or many distinct words, gaps among them, in one group of rows or several, numbered in the file or not."""
    random = np.random.default_rng(distinct)
    words = [None if place < 0 else f"word {place}" for place in random.integers(-1, distinct, 80_000).tolist()]
    path = tmp_path / "words.parquet"
    table = pa.table({"word": pa.array(words, kind), "number": pa.array(range(len(words)))})
    pq.write_table(table, path, row_group_size=30_000, use_dictionary=dictionary)
    batches = read(path, ["word", "number"])
    found = [cell for batch in batches if batch.frame is not None for cell in batch.frame["word"].astype(object)]
    assert [None if pd.isna(cell) else cell for cell in found] == words
    assert all(
        isinstance(batch.frame["word"].dtype, pd.CategoricalDtype) for batch in batches if batch.frame is not None
    )
    assert [cell for batch in batches for cell in batch.table["word"].to_pylist()] == words


def test_a_list_of_words_with_one_in_it_twice_is_made_anew() -> None:
    """Another program may write such a list; a category has one number."""
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None], pa.int32()), pa.array(["a", "b", "a"]))
    frame = to_frame(pa.table({"word": twice}), ["word"])
    assert frame["word"].astype(object).where(frame["word"].notna(), None).tolist() == ["a", "b", "a", None]
    assert list(frame["word"].cat.categories) == ["a", "b"]
