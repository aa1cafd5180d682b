"""Columns of a frame as a booster's features: categories become codes by the tables that training made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from tiltyard.formatting import format_count

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LearnedColumns:
    """How rows became features.

    Attributes:
        features: float64 (rows, features), an array or a sparse matrix; categories are codes, gaps are NaN.
        categorical: places of the features that hold categories.
        tables: for each of them the categories in the order of their codes; empty where rows hold codes already.
        names: of the features; None where the rows had none.
    """

    features: Any
    categorical: tuple[int, ...]
    tables: tuple[tuple[Any, ...], ...]
    names: tuple[str, ...] | None


def learn_columns(X: Any, chosen: str | Sequence[int | str]) -> LearnedColumns:
    """Read the rows that a booster is fitted on.

    Columns of words, of pandas' categories and of booleans get a table, in sorted order; of pandas' categories in their
    own. Columns of numbers that are chosen as categories hold codes.

    Args:
        X: n rows, an array or a frame.
        chosen: the features that hold categories, by place or name; or how the names of those columns of a frame begin.

    Raises:
        ValueError: there are no rows or features, a column holds dates or several types, or codes are not whole
            numbers from 0.
    """
    if not isinstance(X, pd.DataFrame):
        features = read_matrix(X)
        _require_finite(features)
        places = _find_places(chosen, [str(place) for place in range(features.shape[1])])
        _require_codes(features, places)
        return LearnedColumns(features, places, ((),) * len(places), None)
    _require_rows(X.shape)
    named = [str(name) for name in X.columns]
    coded = _find_places(chosen, named)
    tables = {
        place: () if _is_number(X.iloc[:, place]) else _list_categories(X.iloc[:, place])
        for place in range(X.shape[1])
        if place in coded or not _is_number(X.iloc[:, place])
    }
    features = encode_columns(X, list(tables), list(tables.values()))
    _require_finite(features)
    _require_codes(features, tuple(place for place, table in tables.items() if not table))
    return LearnedColumns(features, tuple(tables), tuple(tables.values()), tuple(named))


def encode_columns(frame: pd.DataFrame, categorical: Sequence[int], tables: Sequence[Sequence[Any]]) -> Floats:
    """The columns as numbers, shape (rows, columns).

    Args:
        frame: the columns in the booster's order.
        categorical: places of those that hold categories.
        tables: for each of them the categories in the order of their codes; empty where the column holds codes.

    Returns:
        NaN for a gap, and for a category that is in no table.
    """
    known = {place: table for place, table in zip(categorical, tables, strict=True) if table}
    if not known:
        return np.ascontiguousarray(frame.to_numpy(dtype=np.float64, na_value=np.nan))
    made = np.empty(frame.shape)
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if place in known:
            codes = pd.Index(known[place], dtype=object).get_indexer(pd.Index(column, dtype=object))
            made[:, place] = np.where(codes < 0, np.nan, codes)
        else:
            made[:, place] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return made


def read_matrix(X: Any) -> Any:
    """Rows without names as float64: an array, or a sparse matrix by rows.

    Raises:
        ValueError: a cell is not a number, or there are no rows or features.
    """
    sparse = _is_sparse(X)
    features: Any = X.tocsr().astype(np.float64) if sparse else np.ascontiguousarray(X, dtype=np.float64)
    _require_rows(features.shape)
    return features


def _find_places(chosen: str | Sequence[int | str], names: Sequence[str]) -> tuple[int, ...]:
    if isinstance(chosen, str):
        return tuple(place for place, name in enumerate(names) if chosen and name.startswith(chosen))
    places = []
    for one in chosen:
        place = names.index(one) if isinstance(one, str) and one in names else one
        if isinstance(place, str) or not 0 <= place < len(names):
            raise ValueError(
                f"categorical names {one!r}, which is none of {format_count(len(names), 'feature')}: "
                f"{', '.join(names[:10])}"
            )
        places.append(int(place))
    return tuple(sorted(set(places)))


def _is_number(column: pd.Series) -> bool:
    return is_numeric_dtype(column.dtype) and not is_bool_dtype(column.dtype)


def _list_categories(column: pd.Series) -> tuple[Any, ...]:
    if is_datetime64_any_dtype(column.dtype):
        raise ValueError(f"column '{column.name}' holds dates, and a booster takes numbers and categories")
    if isinstance(column.dtype, pd.CategoricalDtype):
        return tuple(column.cat.categories.tolist())
    found = column.dropna().unique().tolist()
    try:
        return tuple(sorted(found))
    except TypeError:
        raise ValueError(f"column '{column.name}' holds categories of several types") from None


def _require_rows(shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"the rows have the shape {shape}: there have to be rows and features")


def _is_sparse(X: Any) -> bool:
    return bool(scipy.sparse.issparse(X))


def _require_finite(features: Any) -> None:
    if np.isinf(features.data if _is_sparse(features) else features).any():
        raise ValueError("a feature holds infinity")


def _require_codes(features: Any, places: Sequence[int]) -> None:
    if not places:
        return
    codes = features[:, list(places)]
    codes = codes.toarray() if _is_sparse(codes) else codes
    wrong = codes[~np.isnan(codes) & ((codes < 0) | (codes != np.floor(codes)) | (codes >= 2**24))]
    if wrong.size:
        raise ValueError(f"a category is {float(wrong[0])}: categories are whole numbers from 0")
