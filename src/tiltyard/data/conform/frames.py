"""The frame of a table: its schema inferred, and its columns made to conform to a schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.dates import Moments, read_moments
from tiltyard.data.conform.kinds import KindDecision, decide_kind
from tiltyard.data.conform.labels import factorise_cells
from tiltyard.data.conform.number_texts import drop_sign
from tiltyard.data.conform.rows import CellError, CellReader, make_cell_reader
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.conform.schema import (
    MOST_CATEGORIES,
    MOST_KNOWN,
    MOST_KNOWN_CHARACTERS,
    SchemaKind,
    TableSchema,
    TypedColumn,
)
from tiltyard.data.conform.written import numbers_of_words, read_booleans, read_numbers
from tiltyard.errors import DataError
from tiltyard.formatting import format_count
from tiltyard.suggest import nearest

_STEP = "Correct the value, leave the cell empty, or train on the data as it is now."
_DATE_STEP = (
    'Correct the value, state another way of writing dates (data.dates), or set data.unreadable_dates = "gap" to take '
    "it for missing."
)

_NESTED_STEP = "Leave the column out (data.ignore), or write its parts into separate columns."


def infer_schema(
    frame: pd.DataFrame, rules: ReadingRules = USUAL_RULES, before: TableSchema | None = None
) -> TableSchema:
    """The kinds of a frame's columns.

    Args:
        frame: n rows.
        rules: how their cells are read.
        before: the schema of an earlier version: a column whose numbers had a sign keeps it where some or all of them
            are written without it now.

    Raises:
        DataError: two columns have the same name (``data.column-twice``).
    """
    signs = {column.name: column.sign for column in before.columns} if before is not None else {}
    columns = _columns_by_name(frame).items()
    return TableSchema(
        tuple(_infer_column(name, column, rules, signs.get(name, "")) for name, column in columns), rules
    )


def narrow_schema(schema: TableSchema, rows: pd.DataFrame) -> TableSchema:
    """The schema with the categories and ranges of some conforming rows; kinds and gaps stay as they were decided."""
    return TableSchema(tuple(_narrow_column(column, rows[column.name]) for column in schema.columns), schema.rules)


def conform_frame(frame: pd.DataFrame, schema: TableSchema, *, strict: bool = True) -> pd.DataFrame:
    """The same n rows with the columns, order and dtypes of a schema; other columns are left out.

    Gaps pass in every column (a boolean column with a gap is ``boolean`` even where the schema knows no
    gaps), and so are unknown categories: a model has to cope with both. Whatever stands in a column that was empty
    when the schema was inferred becomes missing, for nothing could be learned from it.

    Args:
        frame: n rows.
        schema: the columns and how their cells are read.
        strict: whether a cell that is nothing of its column's kind is refused; else it becomes missing.

    Raises:
        DataError: a column is missing (``data.column-missing``) or there twice (``data.column-twice``), or a value
            is not of its column's kind or not finite (``data.wrong-type``); the message names column, row (from 1)
            and value.
    """
    named = _columns_by_name(frame)
    columns = {
        column.name: _conform_column(_find_column(named, column.name, schema), column, schema.rules, strict=strict)
        for column in schema.columns
    }
    return pd.DataFrame(columns, index=frame.index)


def read_column_values(column: pd.Series, schema: TableSchema) -> pd.Series:
    """The n values of a column as its schema reads them, or, of a column that it does not know, as its cells show.

    Numbers, booleans and times have the dtypes of a conforming column, categories are text. A cell that is nothing of
    its column's kind is its text, or missing among numbers and times.
    """
    typed = {known.name: known for known in schema.columns}.get(str(column.name))
    if typed is None:
        # Reading has settled the words for gaps of such a column already, by all of its rows.
        schema = replace(schema, rules=replace(schema.rules, gaps=()))
        typed = _infer_column(str(column.name), column, schema.rules)
    if typed.kind == "number":
        exact = pd.api.types.is_integer_dtype(column.dtype)
        if exact:
            return column
        return pd.Series(read_numbers(column, schema.rules, typed.sign)[0], column.index, name=column.name)
    if typed.kind == "time":
        return pd.Series(read_moments(column, schema.rules)[0], column.index, name=column.name)
    codes, cells = factorise_cells(column)
    read = make_cell_reader(typed, schema.rules)
    values = np.array([*(_read_or_keep(read, cell, str) for cell in cells), None], dtype=object)
    return pd.Series(values[codes], column.index, name=column.name, dtype=object)


def read_sent_rows(frame: pd.DataFrame, schema: TableSchema) -> pd.DataFrame:
    """Rows as callers sent them, n objects a column, with their values as the schema reads them.

    Columns that the schema does not know stay as they are, and so does a cell that is nothing of its column's kind.
    """
    typed = {column.name: column for column in schema.columns if column.name in frame.columns}
    read = frame.copy(deep=False)
    for name, column in typed.items():
        read[name] = _read_sent_cells(frame[name], column, schema.rules)
    return read


def _read_sent_cells(cells: pd.Series, column: TypedColumn, rules: ReadingRules) -> pd.Series:
    plain: tuple[type, ...] = {"number": (float, int), "boolean": (bool,)}.get(column.kind, ())
    if cells.dtype != object or set(map(type, cells)) <= {type(None), *plain}:
        return cells
    read = make_cell_reader(column, rules)
    codes, distinct = factorise_cells(cells)

    values = np.empty(len(distinct) + 1, dtype=object)  # the last, which -1 picks, stays None
    for place, cell in enumerate(distinct):
        values[place] = _read_or_keep(read, cell)
    return pd.Series(values[codes], index=cells.index, dtype=object)


def _read_or_keep(read: CellReader, cell: Any, keep: Callable[[Any], Any] = lambda cell: cell) -> Any:
    try:
        return read(cell)
    except CellError:
        return keep(cell)


def _infer_column(name: str, column: pd.Series, rules: ReadingRules, sign: str = "") -> TypedColumn:
    decided = decide_kind(column, rules)
    if sign and _keeps_sign(decided, sign, rules):
        decided = KindDecision("number", sign=sign)
    words = decided.words
    kind: SchemaKind = "category" if decided.kind == "text" else decided.kind
    if kind == "time" and pd.api.types.is_timedelta64_dtype(column.dtype):
        kind = "category"  # a duration
    if kind == "number":
        numbers, _ = read_numbers(column, rules, decided.sign)
        low, high = _find_range(numbers)
        return TypedColumn(name, kind, bool(np.isnan(numbers).any()), minimum=low, maximum=high, sign=decided.sign)
    if kind == "time":
        moments, _ = read_moments(column, rules)
        low, high = _find_range(_count_micros(moments))
        return TypedColumn(name, kind, bool(np.isnat(moments).any()), minimum=low, maximum=high)
    if words is None or kind == "empty":
        return TypedColumn(name, kind, nullable=bool(column.isna().any()) or kind == "empty")
    few = kind == "category" and len(words.distinct) <= MOST_CATEGORIES
    return TypedColumn(
        name,
        kind,
        bool((words.codes < 0).any()),
        categories=tuple(sorted(words.distinct)) if few else None,
        value_words=decided.value_words,
    )


def _keeps_sign(decided: KindDecision, sign: str, rules: ReadingRules) -> bool:
    """Whether a column of numbers that had a sign is still one of numbers, each with that sign or without any."""
    if decided.kind == "number":
        return not decided.sign
    if decided.kind != "category" or decided.words is None:
        return False
    numbers = numbers_of_words([drop_sign(word, sign) for word in decided.words.distinct], rules)
    return numbers is not None and not np.isnan(numbers).any()


def _narrow_column(column: TypedColumn, values: pd.Series) -> TypedColumn:
    if column.kind == "category":
        known = sorted(values.dropna().unique())
        fits = len(known) <= MOST_KNOWN and sum(map(len, known)) <= MOST_KNOWN_CHARACTERS
        return replace(column, categories=tuple(known) if fits else None)
    if column.kind == "number":
        low, high = _find_range(values.to_numpy(dtype=np.float64))
        return replace(column, minimum=low, maximum=high)
    if column.kind == "time":
        low, high = _find_range(_count_micros(values.to_numpy(dtype="datetime64[us]")))
        return replace(column, minimum=low, maximum=high)
    return column


def _count_micros(moments: Moments) -> NDArray[np.float64]:
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64))


def _find_range(numbers: NDArray[np.float64]) -> tuple[float | None, float | None]:
    finite = numbers[np.isfinite(numbers)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (None, None)


def _conform_column(column: pd.Series, to: TypedColumn, rules: ReadingRules, *, strict: bool) -> pd.Series:
    if to.kind == "empty":
        return pd.Series(np.full(len(column), np.nan), index=column.index)
    if to.kind == "category":
        return _conform_categories(column, to, rules, strict=strict)
    if to.kind == "number":
        numbers, wrong = read_numbers(column, rules, to.sign)
        if strict:
            _refuse(wrong | np.isinf(numbers), column, to, "a finite number")
        return pd.Series(numbers, index=column.index)
    if to.kind == "time":
        moments, wrong = read_moments(column, rules)
        if strict and rules.unreadable_dates == "refuse":
            _refuse(wrong, column, to, "a date", _DATE_STEP)
        return pd.Series(moments, index=column.index)
    numbers, wrong = read_booleans(column, rules)
    if strict:
        _refuse(wrong, column, to, "true or false")
    if to.nullable or np.isnan(numbers).any():
        return pd.Series(numbers, index=column.index).astype("boolean")
    return pd.Series(numbers == 1.0, index=column.index)


def _conform_categories(column: pd.Series, to: TypedColumn, rules: ReadingRules, *, strict: bool) -> pd.Series:
    codes, cells = factorise_cells(column)
    read = make_cell_reader(to, rules)
    texts = np.empty(len(cells) + 1, dtype=object)  # the last, which -1 picks, stays None
    wrong = np.zeros(len(cells) + 1, dtype=np.bool_)
    for place, cell in enumerate(cells):
        try:
            texts[place] = read(cell)
        except CellError:
            wrong[place] = True
    if strict:
        _refuse(wrong[codes], column, to, "one value", _NESTED_STEP)
    return pd.Series(texts[codes], index=column.index, dtype="str")


def _refuse(
    wrong: NDArray[np.bool_], column: pd.Series, to: TypedColumn, expected: str, next_step: str = _STEP
) -> None:
    if not wrong.any():
        return
    row = int(np.flatnonzero(wrong)[0])
    count = int(np.count_nonzero(wrong))
    value = repr(column.iloc[row].item() if isinstance(column.iloc[row], np.generic) else column.iloc[row])
    shown = value if len(value) <= 60 else value[:60] + "…"
    more = f"; {format_count(count, 'row')} are like it" if count > 1 else ""
    raise DataError(
        f"Column '{to.name}' holds {shown} in row {row + 1}, where {expected} belongs{more}.",
        next_step=next_step,
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
