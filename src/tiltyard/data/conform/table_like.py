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
        return given.rename(columns=str).reset_index(drop=True)
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
    return pd.DataFrame(matrix, columns=list(names) or [f"feature_{place}" for place in range(matrix.shape[1])])
