"""Read a data frame into columns of the checks: each by its kind and role, each distinct value read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tiltyard.data.columns import Column, Mask, Role, Roles, Table
from tiltyard.data.conform.cells import BOOLEAN_WORDS, normalise_text
from tiltyard.data.conform.dates import read_moments
from tiltyard.data.conform.kinds import READABLE_FROM, decide_kind, kind_of_words
from tiltyard.data.conform.labels import choose_spellings, write_label
from tiltyard.data.conform.rules import USUAL_RULES, ReadingRules
from tiltyard.data.conform.written import ColumnKind, kind_of_dtype, numbers_of_words

_GAP_DIGEST = np.uint64(0x9E3779B97F4A7C15)


def read_table(frame: pd.DataFrame, name: str, roles: Roles, rules: ReadingRules = USUAL_RULES) -> Table:
    """Read every column of a frame once, its cells read by the rules."""
    columns = []
    for position, label in enumerate(frame.columns):
        columns.append(read_column(frame.iloc[:, position], str(label), roles.find_role(str(label)), rules))
    return Table(name, len(frame), tuple(columns))


def unite_spellings(table: Table) -> Table:
    """The table for a comparison: categories that differ in outer white space or composition alone are one.

    So a version reads them. Checks of one table keep them apart, to report them.
    """
    return replace(table, columns=tuple(map(_unite_column, table.columns)))


def read_column(values: pd.Series, name: str, role: Role = "feature", rules: ReadingRules = USUAL_RULES) -> Column:
    """Read one column: n cells of any pandas type."""
    missing = values.isna().to_numpy(dtype=bool)
    if role not in ("label", "text") and not missing.all():
        kind = kind_of_dtype(values.dtype)
        if kind == "number" and decide_kind(values, rules).kind == "time":
            kind = "time"
        if kind == "boolean":
            return _read_booleans(values, name, role, missing)
        if kind == "number":
            return _read_numbers(values, name, role, missing)
        if kind == "time":
            return _read_times(values, name, role, missing, rules)
    return _read_objects(values, name, role, missing, rules)


def count_nested(values: pd.Series) -> int:
    """How many cells of a column hold lists or objects, as JSON and Parquet files can have them."""
    if values.dtype != object:
        arrow = isinstance(values.dtype, pd.ArrowDtype) and pa.types.is_nested(values.dtype.pyarrow_dtype)
        return int(values.notna().sum()) if arrow else 0
    return sum(isinstance(value, list | dict | tuple | set | np.ndarray) for value in values.tolist())


def name_value_type(value: Any) -> str:
    """``text``, ``number``, ``boolean``, ``time`` or ``other``."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if hasattr(value, "isoformat"):
        return "time"
    return "number" if hasattr(value, "__float__") else "other"


def _unite_column(column: Column) -> Column:
    if column.kind != "category" or not column.coded or column.role == "label":
        return column
    written = [normalise_text(value) if isinstance(value, str) else value for value in column.distinct]
    if all(new is old or new == old for new, old in zip(written, column.distinct, strict=True)):
        return column
    known = {value: place for place, value in enumerate(dict.fromkeys(written))}
    codes = np.array([known[value] for value in written] + [-1], dtype=np.intp)[column.codes]
    counts = np.bincount(codes[codes >= 0], minlength=len(known)).astype(np.int64)
    return replace(column, codes=codes, distinct=tuple(known), counts=counts, digests=codes.astype(np.uint64))


def _read_booleans(values: pd.Series, name: str, role: Role, missing: Mask) -> Column:
    codes = np.where(missing, -1, values.to_numpy(dtype=np.float64, na_value=np.nan) == 1.0).astype(np.intp)
    return _make_coded_column(name, role, "boolean", str(values.dtype), codes, [False, True])


def _read_numbers(values: pd.Series, name: str, role: Role, missing: Mask) -> Column:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    exact = numbers
    if pd.api.types.is_integer_dtype(values.dtype) and not missing.any():
        exact = values.to_numpy(dtype=np.int64 if not str(values.dtype).lower().startswith("u") else np.uint64)
    digests = (exact + 0 if exact is not numbers else exact + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    digests = np.where(missing, _GAP_DIGEST, digests)
    return Column(name, role, "number", str(values.dtype), missing, np.zeros_like(missing), digests, numbers=numbers)


def _read_times(values: pd.Series, name: str, role: Role, missing: Mask, rules: ReadingRules) -> Column:
    if pd.api.types.is_timedelta64_dtype(values.dtype):
        numbers = values.dt.total_seconds().to_numpy(dtype=np.float64)
    else:
        numbers = _count_seconds(values, rules)
    digests = np.where(np.isnan(numbers), _GAP_DIGEST, (numbers + 0.0).view(np.uint64))
    return Column(name, role, "time", str(values.dtype), missing, np.zeros_like(missing), digests, numbers=numbers)


def _count_seconds(times: pd.Series, rules: ReadingRules) -> NDArray[np.float64]:
    """Seconds since 1970, NaN where there is no time."""
    moments, _ = read_moments(times, rules)
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64) / 1e6)


def _read_objects(values: pd.Series, name: str, role: Role, missing: Mask, rules: ReadingRules) -> Column:
    nested = count_nested(values)
    if nested:
        return _read_nested(values, name, role, nested)
    codes, distinct = _factorise(values)
    dtype = str(values.dtype)
    words_only = isinstance(values.dtype, pd.StringDtype)
    types = {"text": len(codes) - int(missing.sum())} if words_only and distinct else _count_types(distinct, codes)
    if role == "label":
        codes, distinct = _write_labels(codes, distinct)
        return _make_coded_column(name, role, "category", dtype, codes, distinct, types=types)
    if role == "text":
        return _make_coded_column(name, role, "text", dtype, codes, distinct, types=types)
    if set(types) == {"boolean"}:
        return _make_coded_column(name, role, "boolean", dtype, codes, distinct)
    if set(types) == {"time"}:
        return _read_times(values, name, role, missing, rules)
    if set(types) == {"number"} and not isinstance(values.dtype, pd.CategoricalDtype):
        return _read_numbers(pd.to_numeric(values, errors="coerce"), name, role, missing)
    kind, numbers = _read_words(dtype, codes, distinct, rules)
    return _make_coded_column(name, role, kind, dtype, codes, distinct, numbers=numbers, types=types)


def _read_nested(values: pd.Series, name: str, role: Role, nested: int) -> Column:
    """A column of lists or objects: its cells as they are written down."""
    codes, distinct = _factorise(values.map(str, na_action="ignore"))
    kind: ColumnKind = "text" if role == "text" else "category"
    types = {"other": nested, "text": int(np.count_nonzero(codes >= 0)) - nested}
    found = {kind: count for kind, count in types.items() if count}
    return _make_coded_column(name, role, kind, str(values.dtype), codes, distinct, types=found, nested=nested)


def _read_words(
    dtype: str, codes: NDArray[np.intp], distinct: list[Any], rules: ReadingRules
) -> tuple[ColumnKind, NDArray[np.float64]]:
    """What words are (booleans, numbers and times in disguise, or categories, or texts), and their n numbers if any."""
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
    written = [str(value).strip() for value in distinct]
    kind: ColumnKind = "category"
    if dtype != "category":
        kind = kind_of_words(written, counts, readable_from=READABLE_FROM, rules=rules)
    if kind == "empty":  # nothing but words for gaps, which other checks report
        kind = "category"
    # The last entry, which -1 picks, stands for missing cells.
    if kind == "boolean":
        return kind, np.append([BOOLEAN_WORDS.get(word, np.nan) for word in written], np.nan)[codes]
    if kind == "time":
        return kind, np.append(_count_seconds(pd.Series(written, dtype=object), rules), np.nan)[codes]
    if kind != "text" and (read := numbers_of_words(written, rules)) is not None:
        return kind, np.append(np.where(np.isfinite(read), read, np.nan), np.nan)[codes]
    return kind, np.zeros(0)


def _make_coded_column(
    name: str, role: Role, kind: ColumnKind, dtype: str, codes: NDArray[np.intp], distinct: Sequence[Any], **more: Any
) -> Column:
    blanks = np.append(_find_blanks(distinct), False)
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct)).astype(np.int64)
    missing = codes < 0
    blank = blanks[codes]
    if kind == "boolean" and not len(more.get("numbers", ())):
        more["numbers"] = np.append(np.array([float(value) for value in distinct]), np.nan)[codes]
    if bool((missing | blank).all()):
        kind = "empty"
    # Codes are numbered by first appearance, so equal cells share one; a digest of this frame needs no more.
    return Column(
        name, role, kind, dtype, missing, blank, codes.astype(np.uint64), codes, tuple(distinct), counts, **more
    )


def _find_blanks(distinct: Sequence[Any]) -> Mask:
    """Which distinct values are text of white space only."""
    blank = (isinstance(value, str) and (not value or value.isspace()) for value in distinct)
    return np.fromiter(blank, dtype=bool, count=len(distinct))


def _factorise(values: pd.Series) -> tuple[NDArray[np.intp], list[Any]]:
    """Positions in a list of distinct values, -1 where missing."""
    try:
        codes, distinct = pd.factorize(values, use_na_sentinel=True)
    except TypeError:  # lists, dictionaries and the like cannot be hashed
        return _factorise(values.map(repr, na_action="ignore"))
    found = np.asarray(distinct, dtype=object).tolist()
    return np.asarray(codes, dtype=np.intp), found


def _write_labels(codes: NDArray[np.intp], distinct: list[Any]) -> tuple[NDArray[np.intp], list[Any]]:
    """The classes that labels are; blank ones stay, for they are reported."""
    written = [write_label(value) for value in distinct]
    rows: Counter[str] = Counter()
    for word, count in zip(written, np.bincount(codes[codes >= 0], minlength=len(distinct)).tolist(), strict=True):
        rows[word] += count
    spelling = {"": "", **choose_spellings(Counter({word: count for word, count in rows.items() if word}))}
    written = [spelling[word] for word in written]
    known = {value: place for place, value in enumerate(dict.fromkeys(written))}
    places = np.array([known[value] for value in written] + [-1], dtype=np.intp)
    return places[codes], list(known)


def _count_types(distinct: list[Any], codes: NDArray[np.intp]) -> dict[str, int]:
    """Rows by type of value, most frequent first."""
    names = [name_value_type(value) for value in distinct]
    if len(set(names)) <= 1:
        return {names[0]: int(np.count_nonzero(codes >= 0))} if names else {}
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
    totals = dict.fromkeys(names, 0)
    for name, count in zip(names, counts, strict=True):
        totals[name] += int(count)
    return dict(sorted(totals.items(), key=lambda item: -item[1]))
