"""From the columns of a frame to one number a cell: what ``Encoding`` does of rows, of each distinct cell once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.dates import read_moments
from tiltyard.data.conform.labels import factorise_cells
from tiltyard.data.conform.rows import CellError
from tiltyard.scoring.table.columns import InputColumn, InputColumns
from tiltyard.scoring.table.row_encoding import Codes, count_moment

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ReadColumn:
    """The n cells of a column, each read as its column's reader reads it.

    Attributes:
        values: n numbers, NaN for a gap (a time is microseconds since 1970); or a categorical series of words and
            truth values, missing for a gap.
        refused: which of the n cells are nothing of the column's kind; None for none.
    """

    values: Floats | pd.Series
    refused: NDArray[np.bool_] | None = None


def read_feature(cells: pd.Series, column: InputColumn, columns: InputColumns) -> ReadColumn:
    """The cells of a column, as ``InputColumns.read`` reads them one by one.

    Args:
        cells: n cells, of any dtype.
        column: the feature.
        columns: the model's features; they say how cells are read.
    """
    if column.kind == "number" and _holds_numbers(cells):
        return _read_floats(cells)
    if column.kind == "time" and _holds_moments(cells) and columns.schema is not None:
        moments, _ = read_moments(cells, columns.schema.rules)
        return ReadColumn(np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64)))
    places, distinct = _find_distinct(cells)
    read = columns.reader_of(column.name)
    found: list[Any] = []
    wrong = np.zeros(len(distinct) + 1, np.bool_)
    for place, cell in enumerate([*distinct, None]):  # the last, which -1 picks, is a gap
        try:
            found.append(read(cell.item() if isinstance(cell, np.generic) else cell))
        except CellError:
            found.append(None)
            wrong[place] = True
    refused = wrong[places] if wrong.any() else None
    if column.kind in ("number", "time"):
        numbers = np.array([math.nan if value is None else _count(value) for value in found], np.float64)
        return ReadColumn(numbers[places], refused)
    return ReadColumn(_make_categories(found, places, cells.index), refused)


@dataclass(frozen=True)
class EncodedColumns:
    """The encoded cells of n rows, by columns; see ``Encoding.encode`` for what stands for them.

    Attributes:
        rows: n.
        columns: of each feature its n numbers, and None; or the numbers that stand for its values, the last for a gap,
            and the place of each of the n cells among them, -1 for a gap.
    """

    rows: int
    columns: tuple[tuple[Floats, NDArray[Any] | None], ...]


def encode_cells(read: Mapping[str, ReadColumn], columns: InputColumns, codes: Mapping[str, Codes]) -> EncodedColumns:
    """The cells of columns as numbers.

    Args:
        read: the columns, by name.
        columns: the features in training order.
        codes: of each column of words or booleans; a column that is not named holds numbers.
    """
    rows = max((len(one.values) for one in read.values()), default=0)
    encoded: list[tuple[Floats, NDArray[Any] | None]] = []
    for column in columns:
        values = read[column.name].values
        if not isinstance(values, pd.Series):
            # A column that the model does not read at all is a gap in every row.
            unread = column.kind == "number" and columns.reader_of(column.name)(0.0) is None
            encoded.append((np.broadcast_to(np.nan, rows) if unread else values, None))
            continue
        known = codes.get(column.name)
        if known is None:
            coded = [*map(float, values.cat.categories), math.nan]
        else:
            coded = [*(known.known.get(value, known.unknown) for value in values.cat.categories), known.missing]
        encoded.append((np.array(coded, np.float64), values.cat.codes.to_numpy()))
    return EncodedColumns(rows, tuple(encoded))


def _holds_numbers(cells: pd.Series) -> bool:
    dtype = cells.dtype
    return pd.api.types.is_integer_dtype(dtype) or pd.api.types.is_float_dtype(dtype)


def _holds_moments(cells: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(cells.dtype) and not isinstance(cells.dtype, pd.ArrowDtype)


def _find_distinct(cells: pd.Series) -> tuple[NDArray[Any], list[Any]]:
    """n places in a list of the distinct cells, -1 for a gap; categories may be in it that no cell has."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return cells.cat.codes.to_numpy(), list(cells.cat.categories)
    return factorise_cells(cells)


def _read_floats(cells: pd.Series) -> ReadColumn:
    plain = cells.dtype == np.float64
    numbers = np.ascontiguousarray(cells.to_numpy() if plain else cells.to_numpy(dtype=np.float64, na_value=np.nan))
    endless = np.isinf(numbers)
    return ReadColumn(numbers, endless if endless.any() else None)


def _make_categories(found: list[Any], places: NDArray[np.intp], index: pd.Index) -> pd.Series:
    """A categorical series of values that were read; those that mean the same are one category."""
    distinct: dict[Any, int] = {}
    codes = np.array([-1 if value is None else distinct.setdefault(value, len(distinct)) for value in found], np.int32)
    categories = pd.Index(list(distinct), dtype=object)
    return pd.Series(pd.Categorical.from_codes(codes[places], categories=categories), index=index)


def _count(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else count_moment(value)
