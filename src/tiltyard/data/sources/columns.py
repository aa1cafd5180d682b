"""Data frames from lists of Python values, one list a column."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd


def build_frame(columns: Mapping[str, list[object]]) -> pd.DataFrame:
    """A frame of columns of the same length, None where there is no value."""
    return pd.DataFrame({name: _build_column(values) for name, values in columns.items()})


def _build_column(values: list[object]) -> pd.Series:
    try:
        column = pd.Series(values)
    except UnicodeEncodeError:
        # Half a surrogate pair, which a JSON escape can write but no UTF-8 text can hold.
        return pd.Series(values, dtype=object)
    # Databases give exact decimals, which nothing here computes with.
    decimal = column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "decimal"
    return column.astype("float64") if decimal else column
