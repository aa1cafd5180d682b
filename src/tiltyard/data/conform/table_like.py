"""The tables that Python callers bring, as a data frame: of pandas, NumPy, Arrow (polars, pyarrow, DuckDB), lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tiltyard.errors import UsageError

_STEP = "Give a pandas or polars data frame, an Arrow table, a matrix of n rows, or a list of rows by column name."


def read_table_like(given: Any, what: str = "The table", names: Sequence[str] = ()) -> pd.DataFrame:
    """A table of any usual form as a data frame of n rows, numbered from 0, with names that are text.

    Args:
        given: a data frame of pandas, or of any library that speaks Arrow (polars, pyarrow, DuckDB); a NumPy matrix of
            n rows; a list of rows, each a mapping by column name or a list of cells; or a mapping of columns.
        what: what messages call it, such as ``X_train``.
        names: the names of the columns of a matrix, where they are known; else they become ``feature_0``, ….

    Raises:
        UsageError: it is none of these (``table.unreadable``), or a matrix has another number of columns than names.
    """
    if isinstance(given, pd.DataFrame):
        named = given if all(isinstance(name, str) for name in given.columns) else given.rename(columns=str)
        return named.reset_index(drop=True)
    if isinstance(given, pd.Series):
        return (
            given.rename(str(given.name) if given.name is not None else "feature_0").to_frame().reset_index(drop=True)
        )
    if hasattr(given, "__arrow_c_stream__"):
        import pyarrow as pa  # noqa: PLC0415 - imported when it is needed

        read: pd.DataFrame = pa.table(given).to_pandas()
        return read.rename(columns=str)
    if isinstance(given, Mapping):
        return _read_columns(given, what)
    if isinstance(given, Sequence) and not isinstance(given, str | bytes) and given and _are_rows(given):
        return pd.DataFrame(list(given)).rename(columns=str)
    return _read_matrix(given, what, names)


def read_table_pair(
    reference: Any, current: Any, what: tuple[str, str] = ("The reference", "The current table")
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables that are to be compared, as data frames; one without names takes those of the other.

    Args:
        reference: a table as ``read_table_like`` takes it.
        current: another one.
        what: what messages call them.

    Raises:
        UsageError: one is not a table, or one without names has another number of columns than the other.
    """
    nameless = has_no_names(reference), has_no_names(current)
    before, after = read_table_like(reference, what[0]), read_table_like(current, what[1])
    if nameless == (True, False) and len(before) and len(after.columns):
        before = read_table_like(before.to_numpy(dtype=object), what[0], list(after.columns)).infer_objects()
    elif nameless == (False, True) and len(after):
        after = read_table_like(after.to_numpy(dtype=object), what[1], list(before.columns)).infer_objects()
    elif nameless == (True, True) and list(before.columns) != list(after.columns):
        before, after = (rows.set_axis(_number_columns(rows.shape[1]), axis=1) for rows in (before, after))
    return before, after


def has_no_names(given: Any) -> bool:
    """Whether a table that a caller brings has numbered columns only: a matrix, or a list of rows of cells."""
    if isinstance(given, pd.DataFrame):
        return bool(len(given.columns)) and given.columns.equals(pd.RangeIndex(given.shape[1]))
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return not _are_rows(given)
    return isinstance(given, np.ndarray) or hasattr(given, "toarray")


def _number_columns(count: int) -> list[str]:
    return [f"feature_{place}" for place in range(count)]


def _are_rows(given: Sequence[Any]) -> bool:
    return all(isinstance(row, Mapping) for row in given)


def _read_columns(given: Mapping[Any, Any], what: str) -> pd.DataFrame:
    try:
        return pd.DataFrame(dict(given)).rename(columns=str)
    except ValueError as error:
        raise UsageError(
            f"{what} cannot be read as a table: {str(error).rstrip('.')}.", next_step=_STEP, code="table.unreadable"
        ) from None


def _read_matrix(given: Any, what: str, names: Sequence[str]) -> pd.DataFrame:
    try:
        matrix = given.toarray() if hasattr(given, "toarray") else np.asarray(given)
    except ValueError:
        matrix = np.asarray(None)
    if matrix.ndim != 2:
        described = f"a {type(given).__name__}" if matrix.ndim == 0 else f"of shape {matrix.shape}"
        raise UsageError(f"{what} is not a table: it is {described}.", next_step=_STEP, code="table.unreadable")
    if names and len(names) != matrix.shape[1]:
        raise UsageError(
            f"{what} has {matrix.shape[1]} columns without names, and {len(names)} are expected: {', '.join(names)}.",
            next_step="Give a data frame with these columns, or as many columns in this order.",
            code="table.columns",
        )
    return pd.DataFrame(matrix, columns=list(names) or _number_columns(matrix.shape[1]))
