"""The columns of a table as they are kept with a version, and rows made to conform to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.column_kinds import decide_kind, read_booleans, read_numbers, write_down
from tiltyard.errors import DataError
from tiltyard.jsonable import from_jsonable, to_json_object
from tiltyard.suggest import nearest

SchemaKind = Literal["number", "boolean", "category", "empty"]
"""The kinds that a schema keeps: texts and times are categories to a model of tables."""

# Columns with more categories than this are named without them.
MOST_CATEGORIES = 100


@dataclass(frozen=True)
class TypedColumn:
    """What one column holds.

    Attributes:
        name: its name.
        kind: what its values are.
        nullable: whether a value was missing when the schema was inferred.
        categories: the known categories, sorted; None for other kinds and where there are more than `MOST_CATEGORIES`.
        minimum: smallest finite number; None for other kinds.
        maximum: largest finite number; None for other kinds.
    """

    name: str
    kind: SchemaKind
    nullable: bool
    categories: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None

    @property
    def dtype(self) -> str:
        """Name of the pandas dtype of a conforming column."""
        if self.kind == "category":
            return "str"
        if self.kind == "boolean":
            return "boolean" if self.nullable else "bool"
        return "float64"


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table, in order."""

    columns: tuple[TypedColumn, ...]

    @property
    def dtypes(self) -> dict[str, str]:
        """The pandas dtype of each column of a conforming frame, by name and in order."""
        return {column.name: column.dtype for column in self.columns}

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The same n rows with the columns, order and dtypes of this schema; other columns are left out.

        Gaps pass in every column (a boolean column with a gap is ``boolean`` even where the schema knows no
        gaps), and so are unknown categories: a model has to cope with both. Whatever stands in a column that was empty
        when the schema was inferred becomes missing, for nothing could be learned from it.

        Raises:
            DataError: a column is missing (``data.column-missing``) or there twice (``data.column-twice``), or a value
                is not of its column's kind or not finite (``data.wrong-type``); the message names column, row (from 1)
                and value.
        """
        named = _columns_by_name(frame)
        columns = {
            column.name: _conform_column(_find_column(named, column.name, self), column) for column in self.columns
        }
        return pd.DataFrame(columns, index=frame.index)

    def to_dict(self) -> dict[str, Any]:
        """The schema as JSON-ready data."""
        return to_json_object(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TableSchema:
        """The schema that `to_dict` wrote down; keys that are not its own are passed over.

        Raises:
            DataError: the data is not a schema (``data.schema-unreadable``).
        """
        try:
            return from_jsonable(cls, data)
        except ValueError as error:
            raise DataError(
                f"The column schema cannot be read: {error}.",
                next_step="Infer it anew from the data.",
                code="data.schema-unreadable",
            ) from None


def infer_schema(frame: pd.DataFrame) -> TableSchema:
    """The kinds of a frame's columns.

    Raises:
        DataError: two columns have the same name (``data.column-twice``).
    """
    return TableSchema(tuple(_infer_column(name, column) for name, column in _columns_by_name(frame).items()))


def _infer_column(name: str, column: pd.Series) -> TypedColumn:
    decided, words = decide_kind(column)
    kind: SchemaKind = "category" if decided == "text" or decided == "time" else decided  # noqa: PLR1714 - narrows
    if kind == "number":
        numbers, _ = read_numbers(column if words is None else words)
        finite = numbers[np.isfinite(numbers)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (None, None)
        return TypedColumn(name, kind, bool(np.isnan(numbers).any()), minimum=low, maximum=high)
    if words is None or kind == "empty":
        return TypedColumn(name, kind, nullable=bool(column.isna().any()) or kind == "empty")
    few = kind == "category" and len(words.distinct) <= MOST_CATEGORIES
    categories = tuple(sorted(words.distinct)) if few else None
    return TypedColumn(name, kind, bool((words.codes < 0).any()), categories=categories)


def _conform_column(column: pd.Series, to: TypedColumn) -> pd.Series:
    if to.kind == "empty":
        return pd.Series(np.full(len(column), np.nan), index=column.index)
    if to.kind == "category":
        words = write_down(column)
        texts = np.array([*words.distinct, None], dtype=object)[words.codes]
        return pd.Series(texts, index=column.index, dtype="str")
    if to.kind == "number":
        numbers, wrong = read_numbers(column)
        _refuse(wrong | np.isinf(numbers), column, to, "a finite number")
        return pd.Series(numbers, index=column.index)
    numbers, wrong = read_booleans(column)
    _refuse(wrong, column, to, "true or false")
    if to.nullable or np.isnan(numbers).any():
        return pd.Series(numbers, index=column.index).astype("boolean")
    return pd.Series(numbers == 1.0, index=column.index)


def _refuse(wrong: NDArray[np.bool_], column: pd.Series, to: TypedColumn, expected: str) -> None:
    if not wrong.any():
        return
    row = int(np.flatnonzero(wrong)[0])
    count = int(np.count_nonzero(wrong))
    value = repr(column.iloc[row].item() if isinstance(column.iloc[row], np.generic) else column.iloc[row])
    shown = value if len(value) <= 60 else value[:60] + "…"
    more = f"; {count} rows are like it" if count > 1 else ""
    raise DataError(
        f"Column '{to.name}' holds {shown} in row {row + 1}, where {expected} belongs{more}.",
        next_step="Correct the value, leave the cell empty, or train on the data as it is now.",
        code="data.wrong-type",
        column=to.name,
        row=row + 1,
        rows=count,
    )


def _columns_by_name(frame: pd.DataFrame) -> dict[str, pd.Series]:
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"The data has two columns '{twice}'.",
            next_step="Rename or remove one of them.",
            code="data.column-twice",
            column=twice,
        )
    return {name: frame.iloc[:, position] for position, name in enumerate(names)}


def _find_column(named: Mapping[str, pd.Series], name: str, schema: TableSchema) -> pd.Series:
    if name in named:
        return named[name]
    known = {column.name for column in schema.columns}
    hint = nearest(name, [other for other in named if other not in known])
    raise DataError(
        f"The data has no column '{name}'; it has {', '.join(named) or 'none'}.{hint}",
        next_step="Bring the column back under its name, or train on the data as it is now.",
        code="data.column-missing",
        column=name,
    )
