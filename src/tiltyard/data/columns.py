"""A data frame as the checks see it: columns by kind and role, each distinct value read once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.column_kinds import (
    BOOLEAN_WORDS,
    READABLE_FROM,
    ColumnKind,
    kind_of_dtype,
    kind_of_words,
    numbers_of_words,
)
from tiltyard.data.content_hash import Hashes
from tiltyard.data.load_dataset import write_label

Role = Literal["feature", "label", "text", "other"]
Mask = NDArray[np.bool_]

_UNIQUE = 0.95
_LEAST_ROWS = 50
_EXACT = 2.0**53  # from here on a float does not hold every whole number
_ID_NAME = re.compile(r"(^|[_\s-])(id|uuid|guid|key|index|row|unnamed: 0)$|[a-z]I[dD]$|^ID$", re.ASCII)


@dataclass(frozen=True, eq=False)
class Column:
    """One column.

    Attributes:
        name: its name as text.
        role: what it is for; ``other`` columns are neither inputs nor label.
        kind: what its values are; ``empty`` if every cell is missing or blank.
        dtype: pandas' name of its type.
        missing: n booleans: None, NaN, NaT.
        blank: n booleans: text of white space only.
        codes: for words and booleans, n positions in ``distinct``, -1 where missing; empty for numbers and times.
        distinct: the distinct values, in order of appearance; numbers and times have none.
        counts: how often each distinct value occurs.
        numbers: n values as float, NaN where there is none; for numbers, booleans, times (seconds), and words
            of which some are numbers; empty for others.
        types: rows by type of value (``text``, ``number``, ``boolean``, ``time``, ``other``), where they are mixed.
        digests: n 64-bit digests of the cells, equal where the cells are equal.
    """

    name: str
    role: Role
    kind: ColumnKind
    dtype: str
    missing: Mask
    blank: Mask
    digests: Hashes
    codes: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    distinct: Sequence[Any] = ()
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    numbers: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    types: dict[str, int] = field(default_factory=dict)

    @cached_property
    def gaps(self) -> Mask:
        """Cells without a value: missing or blank."""
        return self.missing | self.blank

    def take(self, rows: Mask) -> Column:
        """The same column of some of the rows; its distinct values keep their places."""
        if not self.coded:
            numbers = self.numbers[rows] if self.numeric else self.numbers
            return replace(
                self, missing=self.missing[rows], blank=self.blank[rows], digests=self.digests[rows], numbers=numbers
            )
        codes = self.codes[rows]
        return replace(
            self,
            missing=self.missing[rows],
            blank=self.blank[rows],
            digests=self.digests[rows],
            codes=codes,
            counts=np.bincount(codes[codes >= 0], minlength=len(self.distinct)).astype(np.int64),
            numbers=self.numbers[rows] if self.numeric else self.numbers,
        )

    @property
    def coded(self) -> bool:
        """Whether it has codes."""
        return len(self.codes) == len(self.missing)

    @property
    def numeric(self) -> bool:
        """Whether it has numbers."""
        return len(self.numbers) == len(self.missing)

    @cached_property
    def ordered(self) -> NDArray[np.float64]:
        """The finite numbers, ascending."""
        return np.sort(self.numbers[np.isfinite(self.numbers)])

    @cached_property
    def different(self) -> int:
        """How many distinct values there are, gaps not counted."""
        if self.coded:
            return len(self.distinct) - len(np.unique(self.codes[self.blank]))
        ordered = self.ordered
        if len(ordered) and max(-ordered[0], ordered[-1]) >= _EXACT and self.dtype.lower().startswith(("int", "uint")):
            return len(np.unique(self.digests[~self.missing]))
        steps = int(np.count_nonzero(ordered[1:] != ordered[:-1])) + int(len(ordered) > 0)
        return steps + len(np.unique(self.numbers[np.isinf(self.numbers)]))

    @cached_property
    def identifier(self) -> bool:
        """Whether it only identifies rows, such as a number of each."""
        present = int(np.count_nonzero(~self.gaps))
        if present < _LEAST_ROWS or self.kind in ("text", "time", "boolean", "empty"):
            return False
        if self.different < _UNIQUE * present or self.kind == "category":
            return self.different >= _UNIQUE * present
        ordered = self.ordered
        if len(ordered) < present or not bool((ordered == np.floor(ordered)).all()):
            return False
        counting = self.different == present and float(ordered[-1] - ordered[0]) == present - 1
        return counting or bool(_ID_NAME.search(self.name) or _ID_NAME.search(self.name.lower()))

    @property
    def as_words(self) -> bool:
        """Whether numbers are written as text."""
        return self.kind == "number" and self.coded


@dataclass(frozen=True, eq=False)
class Table:
    """All columns of a frame of ``rows`` rows."""

    name: str
    rows: int
    columns: tuple[Column, ...]

    @cached_property
    def features(self) -> tuple[Column, ...]:
        """What a model would see: the features, or the text."""
        return tuple(column for column in self.columns if column.role in ("feature", "text"))

    @cached_property
    def label(self) -> Column | None:
        """The label, if there is one."""
        return next((column for column in self.columns if column.role == "label"), None)


@dataclass(frozen=True)
class Roles:
    """Which columns are for what; ``features`` None: all but the label and the ignored ones (of a text: none)."""

    label: str | None = None
    text: str | None = None
    features: tuple[str, ...] | None = None
    ignored: tuple[str, ...] = ()

    def of(self, name: str) -> Role:
        """The role of a column."""
        if name == self.label:
            return "label"
        if name == self.text:
            return "text"
        if name in self.ignored or (self.features is None and self.text is not None):
            return "other"
        return "feature" if self.features is None or name in self.features else "other"


def read_table(frame: pd.DataFrame, name: str, roles: Roles) -> Table:
    """Look at every column of a frame once."""
    columns = []
    for position, label in enumerate(frame.columns):
        columns.append(read_column(frame.iloc[:, position], str(label), roles.of(str(label))))
    return Table(name, len(frame), tuple(columns))


def read_column(values: pd.Series, name: str, role: Role = "feature") -> Column:
    """Look at one column: n cells of any pandas type."""
    missing = values.isna().to_numpy(dtype=bool)
    if role not in ("label", "text") and not missing.all():
        kind = kind_of_dtype(values.dtype)
        if kind == "boolean":
            return _read_booleans(values, name, role, missing)
        if kind == "number":
            return _read_numbers(values, name, role, missing)
        if kind == "time":
            return _read_times(values, name, role, missing)
    return _read_objects(values, name, role, missing)


def name_value_type(value: Any) -> str:
    """``text``, ``number``, ``boolean``, ``time`` or ``other``."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if hasattr(value, "isoformat"):
        return "time"
    return "number" if hasattr(value, "__float__") else "other"


def _read_booleans(values: pd.Series, name: str, role: Role, missing: Mask) -> Column:
    codes = np.where(missing, -1, values.to_numpy(dtype=np.float64, na_value=np.nan) == 1.0).astype(np.intp)
    return _make_coded_column(name, role, "boolean", str(values.dtype), codes, [False, True])


def _read_numbers(values: pd.Series, name: str, role: Role, missing: Mask) -> Column:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    exact = numbers
    if pd.api.types.is_integer_dtype(values.dtype) and not missing.any():
        exact = values.to_numpy(dtype=np.int64 if not str(values.dtype).lower().startswith("u") else np.uint64)
    digests = (exact + 0 if exact is not numbers else exact + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    digests = np.where(missing, np.uint64(0x9E3779B97F4A7C15), digests)
    return Column(name, role, "number", str(values.dtype), missing, np.zeros_like(missing), digests, numbers=numbers)


def _read_times(values: pd.Series, name: str, role: Role, missing: Mask) -> Column:
    if pd.api.types.is_timedelta64_dtype(values.dtype):
        numbers = values.dt.total_seconds().to_numpy(dtype=np.float64)
    else:
        numbers = _to_seconds(values)
    digests = np.where(missing, np.uint64(0x9E3779B97F4A7C15), (numbers + 0.0).view(np.uint64))
    return Column(name, role, "time", str(values.dtype), missing, np.zeros_like(missing), digests, numbers=numbers)


def _to_seconds(times: pd.Series) -> NDArray[np.float64]:
    """Seconds since 1970, NaN where there is no time."""
    utc = times if times.dt.tz is None else times.dt.tz_convert("UTC").dt.tz_localize(None)
    micros = utc.to_numpy(dtype="datetime64[us]").astype(np.int64).astype(np.float64) / 1e6
    return np.where(times.isna().to_numpy(dtype=bool), np.nan, micros)


def _read_objects(values: pd.Series, name: str, role: Role, missing: Mask) -> Column:
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
        return _read_times(pd.to_datetime(values, utc=True, errors="coerce"), name, role, missing)
    if set(types) == {"number"} and not isinstance(values.dtype, pd.CategoricalDtype):
        return _read_numbers(pd.to_numeric(values, errors="coerce"), name, role, missing)
    return _read_words(name, role, dtype, codes, distinct, types)


def _read_words(
    name: str, role: Role, dtype: str, codes: NDArray[np.intp], distinct: list[Any], types: dict[str, int]
) -> Column:
    """A column of words: booleans, numbers and times in disguise, or categories, or texts."""
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
    written = [str(value).strip() for value in distinct]
    kind = "category" if dtype == "category" else kind_of_words(written, counts, readable_from=READABLE_FROM)
    if kind == "empty":  # nothing but words for gaps, which other checks report
        kind = "category"
    numbers = np.zeros(0)
    # The last entry, which -1 picks, stands for missing cells.
    if kind == "boolean":
        numbers = np.append([BOOLEAN_WORDS.get(word, np.nan) for word in written], np.nan)[codes]
    elif kind == "time":
        moments = pd.to_datetime(pd.Series(written), utc=True, errors="coerce")
        numbers = np.append(_to_seconds(moments), np.nan)[codes]
    elif kind != "text" and (read := numbers_of_words(written)) is not None:
        numbers = np.append(np.where(np.isfinite(read), read, np.nan), np.nan)[codes]
    return _make_coded_column(name, role, kind, dtype, codes, distinct, numbers=numbers, types=types)


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
    # Codes are numbered by first appearance, so equal cells share one; that is all a digest of this frame needs.
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
    """Labels as they are written everywhere, so that ``1`` and ``1.0`` are one."""
    written = [write_label(value) for value in distinct]
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
