"""Groups of rows by the values of a column: by value, by quartile, by length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.frames import read_column_values
from tiltyard.data.conform.labels import write_label
from tiltyard.data.conform.schema import TableSchema
from tiltyard.errors import DataError
from tiltyard.suggest import nearest

# Values of a column that each form a group; all others form one group.
MOST_VALUES = 20

# Distinct numbers of a column that each form a group; more than these are split into quartiles.
MOST_NUMBERS = 10

MISSING = "(missing)"
OTHER = "(other)"
WORDS = "(words)"

_LONGEST_KEY = 60
_FormatRanges = Callable[[NDArray[np.float64]], list[str]]


@dataclass(frozen=True)
class Group:
    """Rows with the same value in a column.

    Attributes:
        key: short name for metrics: letters, digits, ``_``, ``-`` and spaces, unique within its column.
        title: what the rows share, for people.
    """

    key: str
    title: str


@dataclass(frozen=True)
class Grouping:
    """n rows divided by a column.

    Attributes:
        column: the column's name; ``(words)`` for the length of texts.
        key: the column's name as metrics spell it.
        groups: the groups, none of them empty.
        codes: n positions among the groups.
    """

    column: str
    key: str
    groups: tuple[Group, ...]
    codes: NDArray[np.intp]


def group_columns(
    columns: Sequence[pd.Series], schema: TableSchema | None = None, texts: pd.Series | None = None
) -> list[Grouping]:
    """Divide the same rows by each of several columns, whose keys differ even where their names spell alike.

    Args:
        columns: as for ``group_rows``.
        schema: as for ``group_rows``.
        texts: n texts that are divided by their length as well; None for none.
    """
    found = [group_rows(column, schema) for column in columns]
    found += [] if texts is None else [group_by_length(texts)]
    keys = make_keys([grouping.column for grouping in found])
    return [replace(grouping, key=key) for grouping, key in zip(found, keys, strict=True)]


def group_rows(column: pd.Series, schema: TableSchema | None = None) -> Grouping:
    """Divide rows by a column, whose cells are read as a model reads them.

    Missing and blank cells are a group, ``(missing)``. Numbers and times of which there are more than ten different
    ones are divided at their quartiles, with the keys ``q1`` to ``q4``; equal quartiles make fewer groups. All else is
    divided by value: the 20 most frequent ones, and the rest as ``(other)``.

    Args:
        column: n cells of any kind; its name is the grouping's.
        schema: how cells are read; a column that it does not know is of the kind that its cells show.
    """
    name = str(column.name)
    values = _read_values(column, schema)
    if values.dtype.kind == "M":
        return _group_times(name, values)
    numbers = _find_quantity(values)
    if numbers is not None:
        return _group_by_quartile(name, numbers, _format_number_ranges)
    return _group_by_value(name, values)


def is_divided_at_quartiles(column: pd.Series, schema: TableSchema | None = None) -> bool:
    """Whether ``group_rows`` divides a column of numbers at its quartiles, since it has many different ones."""
    return _find_quantity(_read_values(column, schema)) is not None


def group_by_length(texts: pd.Series) -> Grouping:
    """Divide n texts at the quartiles of their number of words (what white space divides)."""
    lengths = np.fromiter((len(text.split()) for text in texts), dtype=np.float64, count=len(texts))
    return _group_by_quartile(
        WORDS, lengths, lambda edges: [f"{title} words" for title in _format_number_ranges(edges)]
    )


def select_columns(frame: pd.DataFrame, names: Sequence[str], key: str) -> list[pd.Series]:
    """The columns of that name.

    Args:
        frame: the rows.
        names: the wanted columns.
        key: key of the project file that names them, for the error.

    Raises:
        DataError: there is none of that name.
    """
    known = [str(column) for column in frame.columns]
    for name in names:
        if name not in known:
            raise DataError(
                f"The data has no column '{name}' ({key}); it has {', '.join(known)}.{nearest(name, known)}",
                next_step=f"Correct {key} in the project file.",
                code="data.column-missing",
                column=name,
            )
    return [frame[name] for name in names]


def make_keys(titles: Sequence[str]) -> list[str]:
    """Titles as metrics may spell them, each once: all but letters, digits, ``-`` and spaces becomes ``_``."""
    keys: list[str] = []
    for title in titles:
        bare = title.strip("() ")[:_LONGEST_KEY].strip()
        plain = "".join(sign if sign.isalnum() or sign in "-_ " else "_" for sign in bare) or "_"
        key, repeats = plain, 1
        while key in keys:
            repeats += 1
            key = f"{plain}_{repeats}"
        keys.append(key)
    return keys


def _read_values(column: pd.Series, schema: TableSchema | None) -> pd.Series:
    return read_column_values(column, schema or TableSchema(()))


def _find_quantity(values: pd.Series) -> NDArray[np.float64] | None:
    """The numbers of a column, NaN where there is none; None unless there are many different ones."""
    kinds = pd.api.types
    if not kinds.is_numeric_dtype(values.dtype) or kinds.is_bool_dtype(values.dtype):
        return None
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers if len(np.unique(numbers[~np.isnan(numbers)])) > MOST_NUMBERS else None


def _group_times(name: str, values: pd.Series) -> Grouping:
    if values.nunique() <= MOST_NUMBERS:
        return _group_by_value(name, values.map(_write_time, na_action="ignore"))
    micros = np.where(values.isna(), np.nan, values.astype("int64").to_numpy(dtype=np.float64))
    return _group_by_quartile(name, micros, _format_day_ranges)


def _write_time(moment: Any) -> str:
    return str(moment).removesuffix(" 00:00:00")


def _group_by_quartile(name: str, values: NDArray[np.float64], format_ranges: _FormatRanges) -> Grouping:
    missing = np.isnan(values)
    edges = np.unique(np.quantile(values[~missing], [0.25, 0.5, 0.75], method="inverted_cdf"))
    codes = np.where(missing, len(edges) + 1, np.searchsorted(edges, values, side="left"))
    titles = [*format_ranges(edges), MISSING]
    keys = [*(f"q{number + 1}" for number in range(len(edges) + 1)), "missing"]
    return _drop_empty_groups(name, [Group(key, title) for key, title in zip(keys, titles, strict=True)], codes)


def _group_by_value(name: str, column: pd.Series) -> Grouping:
    words = column.map(write_label, na_action="ignore").astype(object)
    words = words.where(words.notna() & (words != ""), None)
    counts = words.value_counts()
    # Of equally frequent values the first in the alphabet are kept, so that the order of the rows has no effect.
    ranked = sorted(counts.index.tolist(), key=lambda value: (-counts[value], value))
    kept = sorted(ranked[:MOST_VALUES])
    positions = {value: position for position, value in enumerate(kept)}
    other, missing = len(kept), len(kept) + 1
    codes = np.array([missing if word is None else positions.get(word, other) for word in words], dtype=np.intp)
    titles = [*kept, OTHER, MISSING]
    groups = [Group(key, title) for key, title in zip(make_keys(titles), titles, strict=True)]
    return _drop_empty_groups(name, groups, codes)


def _drop_empty_groups(name: str, groups: Sequence[Group], codes: NDArray[np.intp]) -> Grouping:
    used = np.unique(codes)
    return Grouping(name, make_keys([name])[0], tuple(groups[code] for code in used), np.searchsorted(used, codes))


def _format_number_ranges(edges: NDArray[np.float64]) -> list[str]:
    return _format_range([f"{edge:g}" for edge in edges])


def _format_day_ranges(edges: NDArray[np.float64]) -> list[str]:
    return _format_range([str(pd.Timestamp(int(edge), unit="us")) for edge in edges])


def _format_range(edges: Sequence[str]) -> list[str]:
    middle = [f"above {low}, to {high}" for low, high in pairwise(edges)]
    return [f"to {edges[0]}", *middle, f"above {edges[-1]}"]
