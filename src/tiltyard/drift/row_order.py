"""How the rows of a table belong together: the groups and the time that a project names, or that columns show."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from tiltyard.data.conform.kinds import read_row_times
from tiltyard.data.conform.rules import ReadingRules
from tiltyard.data.groups import key_groups
from tiltyard.drift.profiles.rows import Inputs, RowOrder
from tiltyard.project import Project

_FEWEST_GROUPS = 20
_LEAST_SHARING = 1.25  # rows a value
_LARGEST_SHARE = 0.02  # of all rows, that the group of a row has on average
_MOST_GUESSES = 3
_HOUR = 3_600_000_000  # in microseconds


def find_group_columns(frame: pd.DataFrame, inputs: Collection[str], project: Project) -> tuple[str, ...]:
    """The columns whose values name groups of rows: that of ``split.group``, else guesses, three at most.

    A guess is a column that the model does not read, of words or whole numbers, with 20 values at least, 1.25 rows of a
    value, and groups of 2 % of the rows at most. Where rows of one value are as different as any others, it changes
    nothing.

    Args:
        frame: n rows.
        inputs: the columns that the model reads.
        project: names the columns of groups, label and time.
    """
    if project.split.group is not None:
        return (project.split.group,)
    read = {*inputs, project.data.label, *([project.data.time] if project.data.time else [])}
    found = [str(name) for name in frame.columns if str(name) not in read and _names_groups(frame[name])]
    return tuple(found[:_MOST_GUESSES])


def order_rows(
    frame: pd.DataFrame, inputs: Inputs, groups: Collection[str], time: str | None, rules: ReadingRules
) -> RowOrder:
    """The groups and times of n rows; the time is left out where its column is missing or no row has one.

    Args:
        frame: n rows with the columns of groups and time.
        inputs: the n inputs, by which a row without a group's name is distinguished.
        groups: the columns of groups; those that the frame lacks are left out.
        time: the column of the time.
        rules: how its cells are read.
    """
    keys = {column: key_groups(frame[column], inputs).keys for column in groups if column in frame.columns}
    if time is None or time not in frame.columns:
        return RowOrder(keys)
    moments, unknown = read_row_times(frame[time], rules)
    clock = not pd.api.types.is_numeric_dtype(moments.dtype)
    values = moments.to_numpy("datetime64[us]").astype(np.int64) / _HOUR if clock else moments.to_numpy(np.float64)
    times = np.where(unknown, np.nan, values)
    return RowOrder(keys, times, time, clock) if np.isfinite(times).any() else RowOrder(keys)


def _names_groups(column: pd.Series) -> bool:
    if pd.api.types.is_float_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return False
    sizes = column.value_counts(dropna=True).to_numpy(np.float64)
    if len(sizes) < _FEWEST_GROUPS or sizes.sum() <= _LEAST_SHARING * len(sizes):
        return False
    # Large parts, such as countries, are not groups that come and go.
    return float((sizes**2).sum() / sizes.sum()) <= max(_LARGEST_SHARE * len(column), 1.0)
