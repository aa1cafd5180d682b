"""What kind of values each column of a table holds: decided once, kept with the version, the same for every format.

CSV, JSON and Parquet say different things about the same values: one has text where another has numbers, whole
numbers turn into fractions beside a gap, booleans into objects. So columns of anything but plain numbers are judged by
what their cells say when written down, as in a CSV file:

- **number**: every cell reads as a number; words that start with a needless zero (``00123``) are codes, not numbers.
- **boolean**: every cell is true or false, or one of the words that CSV readers take for them (``True``, ``FALSE``, …).
  ``Yes`` and ``No`` stay words.
- **category**: anything else, as text without outer white space. Dates are categories too.
- **empty**: no cell has a value.

White space and the usual words for gaps (``NA``, ``null``, …) are missing values in all of them. Formats that can say
more are believed: a Parquet category stays a category, even of numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.errors import DataError
from tiltyard.suggest import nearest

Kind = Literal["number", "boolean", "category", "empty"]

# The words that pandas takes for gaps in a CSV file.
GAP_WORDS = frozenset(
    {
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
        "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    }
)  # fmt: skip

# Columns with more categories than this are named without them.
MOST_CATEGORIES = 100

_TRUE = ("True", "TRUE", "true")
_FALSE = ("False", "FALSE", "false")
_BOOLEANS = {**dict.fromkeys((*_TRUE, "1", "1.0"), 1.0), **dict.fromkeys((*_FALSE, "0", "0.0"), 0.0)}
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)", re.ASCII | re.IGNORECASE)
_CODE = re.compile(r"[+-]?0\d")


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
    kind: Kind
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

        Gaps are let through in every column (a boolean column with a gap is ``boolean`` even where the schema knows no
        gaps), and so are unknown categories: a model has to cope with both. Whatever stands in a column that was empty
        when the schema was inferred becomes missing, for nothing could be learned from it.

        Raises:
            DataError: a column is missing (``data.column-missing``) or there twice (``data.column-twice``), or a value
                is not of its column's kind or not finite (``data.wrong-type``); the message names column, row (from 1)
                and value.
        """
        named = _named(frame)
        columns = {column.name: _conformed(_find(named, column.name, self), column) for column in self.columns}
        return pd.DataFrame(columns, index=frame.index)

    def to_dict(self) -> dict[str, Any]:
        """The schema as JSON-ready data."""
        columns = [asdict(column) for column in self.columns]
        for column in columns:
            column["categories"] = None if column["categories"] is None else list(column["categories"])
        return {"columns": columns}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TableSchema:
        """The schema that `to_dict` wrote down; keys that are not its own are passed over.

        Raises:
            DataError: the data is not a schema (``data.schema-unreadable``).
        """
        try:
            return cls(tuple(_column_from(entry) for entry in data["columns"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"The column schema cannot be read: {type(error).__name__}: {error}.",
                next_step="Infer it anew from the data.",
                code="data.schema-unreadable",
            ) from None


def infer_schema(frame: pd.DataFrame) -> TableSchema:
    """The kinds of a frame's columns.

    Raises:
        DataError: two columns have the same name (``data.column-twice``).
    """
    return TableSchema(tuple(_inferred(name, column) for name, column in _named(frame).items()))


def numeric_if_written_as_text(column: pd.Series) -> pd.Series:
    """A column of numbers written as text as float64 with its gaps missing; any other column as it is."""
    kind, words = _kind(column)
    if kind != "number" or words is None:
        return column
    return pd.Series(_numbers_in(words)[0], index=column.index, name=column.name)


@dataclass(frozen=True, eq=False)
class _Words:
    """A column as it would be written down: n positions in the distinct words, -1 where there is no value."""

    codes: NDArray[np.intp]
    distinct: list[str]

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """One number a cell from one a distinct word; NaN where there is no value."""
        return np.append(values, np.nan)[self.codes]


def _words(column: pd.Series) -> _Words:
    cells = column
    if cells.dtype == object:
        # Apart before they are compared: to Python, True equals 1.
        cells = cells.map(_written, na_action="ignore")
    codes, values = pd.factorize(cells, use_na_sentinel=True)
    # A gap makes whole numbers fractions: in a column of numbers, 1.0 is written 1.
    numbers = pd.api.types.is_float_dtype(values.dtype)
    written = [_written(int(value) if numbers and float(value).is_integer() else value) for value in values.tolist()]
    distinct = {word: place for place, word in enumerate(dict.fromkeys(w for w in written if w not in GAP_WORDS))}
    places = np.array([*(distinct.get(word, -1) for word in written), -1], dtype=np.intp)
    return _Words(places[codes], list(distinct))


def _written(value: object) -> str:
    """A cell as text, without outer white space."""
    word = str(value).strip()
    # Half a surrogate pair has no place in UTF-8, and so none in a stored category.
    return word if word.isascii() else word.encode("utf-8", "replace").decode("utf-8")


def _kind(column: pd.Series) -> tuple[Kind, _Words | None]:
    """The kind, and the words where it was told from them."""
    dtype = column.dtype
    if column.isna().all():
        return "empty", None
    if not isinstance(dtype, pd.CategoricalDtype):
        if pd.api.types.is_bool_dtype(dtype):
            return "boolean", None
        if _is_numeric(dtype):
            return "number", None
    words = _words(column)
    if isinstance(dtype, pd.CategoricalDtype):
        return ("category" if words.distinct else "empty"), words
    return _kind_of_words(words.distinct), words


def _kind_of_words(words: list[str]) -> Kind:
    if not words:
        return "empty"
    if all(word in _TRUE or word in _FALSE for word in words):
        return "boolean"
    if all(_NUMBER.fullmatch(word) and not _CODE.match(word) for word in words):
        return "number"
    return "category"


def _is_numeric(dtype: Any) -> bool:
    kinds = pd.api.types
    return kinds.is_numeric_dtype(dtype) and not kinds.is_bool_dtype(dtype) and not kinds.is_complex_dtype(dtype)


def _inferred(name: str, column: pd.Series) -> TypedColumn:
    kind, words = _kind(column)
    if kind == "number":
        numbers, _ = _read_numbers(column) if words is None else _numbers_in(words)
        finite = numbers[np.isfinite(numbers)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (None, None)
        return TypedColumn(name, kind, bool(np.isnan(numbers).any()), minimum=low, maximum=high)
    if words is None or kind == "empty":
        return TypedColumn(name, kind, nullable=bool(column.isna().any()) or kind == "empty")
    few = kind == "category" and len(words.distinct) <= MOST_CATEGORIES
    categories = tuple(sorted(words.distinct)) if few else None
    return TypedColumn(name, kind, bool((words.codes < 0).any()), categories=categories)


def _conformed(column: pd.Series, to: TypedColumn) -> pd.Series:
    if to.kind == "empty":
        return pd.Series(np.full(len(column), np.nan), index=column.index)
    if to.kind == "category":
        words = _words(column)
        texts = np.array([*words.distinct, None], dtype=object)[words.codes]
        return pd.Series(texts, index=column.index, dtype="str")
    if to.kind == "number":
        numbers, wrong = _read_numbers(column)
        _refuse(wrong | np.isinf(numbers), column, to, "a finite number")
        return pd.Series(numbers, index=column.index)
    numbers, wrong = _read_booleans(column)
    _refuse(wrong, column, to, "true or false")
    if to.nullable or np.isnan(numbers).any():
        return pd.Series(numbers, index=column.index).astype("boolean")
    return pd.Series(numbers == 1.0, index=column.index)


def _read_numbers(column: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """n numbers, NaN where there is none, and n booleans: cells with a value that is no number."""
    if _is_numeric(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(column), dtype=np.bool_)
    return _numbers_in(_words(column))


def _numbers_in(words: _Words) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return _spread_read(words, [float(word) if _NUMBER.fullmatch(word) else math.nan for word in words.distinct])


def _read_booleans(column: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """n times 1 or 0, NaN where there is neither, and n booleans: cells with a value that is neither true nor false."""
    words = _words(column)
    return _spread_read(words, [_BOOLEANS.get(word, math.nan) for word in words.distinct])


def _spread_read(words: _Words, read: list[float]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    numbers = words.spread(np.array(read, dtype=np.float64))
    return numbers, np.isnan(numbers) & (words.codes >= 0)


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


def _named(frame: pd.DataFrame) -> dict[str, pd.Series]:
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


def _find(named: Mapping[str, pd.Series], name: str, schema: TableSchema) -> pd.Series:
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


def _column_from(entry: Mapping[str, Any]) -> TypedColumn:
    fields = {name: entry[name] for name in TypedColumn.__dataclass_fields__ if name in entry}
    if fields.get("kind") not in get_args(Kind):
        raise ValueError(f"kind {fields.get('kind')!r} is none of {', '.join(get_args(Kind))}")
    if fields.get("categories") is not None:
        fields["categories"] = tuple(str(word) for word in fields["categories"])
    return TypedColumn(**fields)
