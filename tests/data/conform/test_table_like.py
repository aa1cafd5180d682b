"""Tables of any usual form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix

from tiltyard.data.conform.table_like import read_table_like
from tiltyard.errors import UsageError

FRAME = pd.DataFrame({"a": [1, 2], "b": [3, 4]})


class ArrowSpeaker:
    """What polars and DuckDB give: an object that only exports an Arrow stream."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "given",
    [
        FRAME.set_index(pd.Index([7, 8])),
        FRAME.to_dict(orient="records"),
        FRAME.to_dict(orient="list"),
        pa.table({"a": [1, 2], "b": [3, 4]}),
        ArrowSpeaker(pa.table({"a": [1, 2], "b": [3, 4]})),
        polars.DataFrame({"a": [1, 2], "b": [3, 4]}),
    ],
    ids=["frame", "rows", "columns", "pyarrow", "any Arrow stream", "polars"],
)
def test_tables_with_names_become_the_same_frame(given: Any) -> None:
    """Frames, rows by name, columns by name and Arrow tables become one frame, numbered from 0."""
    pd.testing.assert_frame_equal(read_table_like(given), FRAME)


@pytest.mark.parametrize("given", [FRAME.to_numpy(), FRAME.to_numpy().tolist(), csr_matrix(FRAME.to_numpy())])
def test_matrices_get_names(given: Any) -> None:
    """A matrix gets the names that are known, else numbered ones; another number of columns is refused."""
    assert list(read_table_like(given)) == ["feature_0", "feature_1"]
    pd.testing.assert_frame_equal(read_table_like(given, names=["a", "b"]), FRAME)
    with pytest.raises(UsageError, match="X has 2 columns without names, and 1 are expected: a"):
        read_table_like(given, "X", names=["a"])


@pytest.mark.parametrize(
    "given", [7, "text", None, [1, 2], [[1], [2, 3]], {"a": [1], "b": [1, 2]}, np.zeros((2, 2, 2))]
)
def test_what_is_no_table_is_named(given: Any) -> None:
    """What is not a table is refused with what it is and what would be one."""
    with pytest.raises(UsageError, match="X_train") as refused:
        read_table_like(given, "X_train")
    assert refused.value.code == "table.unreadable"


def test_names_are_text() -> None:
    """Numbers as column names become text."""
    assert list(read_table_like(pd.DataFrame({0: [1], 1: [2]}))) == ["0", "1"]
    assert list(read_table_like(pd.Series([1, 2]))) == ["feature_0"]
