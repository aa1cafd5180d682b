"""The profile of a training with which later traffic is compared."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tiltyard.data import Dataset, Split
from tiltyard.data.groups import find_row_groups
from tiltyard.data.row_times import read_row_times
from tiltyard.drift.profiles import Reference, Rows, build_reference
from tiltyard.drift.profiles.rows import RowOrder
from tiltyard.project import Project
from tiltyard.promotion.offline_predictions import PredictedRows

_FEWEST_GROUPS = 20
_LEAST_SHARING = 1.25  # rows a value
_LARGEST_SHARE = 0.02  # of all rows, that the group of a row has on average
_MOST_GUESSES = 3
_HOUR = 3_600_000_000  # in microseconds


def build_reference_profile(split: Split, predictions: PredictedRows, project: Project) -> Reference:
    """The profile with which later traffic is compared, and how alike rows of one group or period are.

    Columns are profiled on the training rows; predictions, and words that the model has not seen, on the test rows.
    Groups are those of ``split.group``; without it, those of columns that the model does not read and that name each
    value in several rows, as the film of a review does. The time is ``data.time``.

    Args:
        split: both sides.
        predictions: the predictions for the test side.
        project: names the columns of groups and time.
    """
    columns = find_group_columns(split.train, project)
    training = Rows(
        split.train.inputs,
        labels=split.train.labels.to_numpy(dtype=object),
        order=order_rows(split.train, columns, project.data.time),
    )
    test = Rows(
        split.test.inputs,
        predictions.labels,
        predictions.probabilities.max(axis=1),
        order=order_rows(split.test, columns, project.data.time),
    )
    return build_reference(training, test)


def find_group_columns(rows: Dataset, project: Project) -> tuple[str, ...]:
    """The columns whose values name groups of rows: that of ``split.group``, else guesses, three at most.

    A guess is a column that the model does not read, of words or whole numbers, with 20 values at least, 1.25 rows of a
    value, and groups of 2 % of the rows at most. Where rows of one value are as different as any others, it changes
    nothing.
    """
    if project.split.group is not None:
        return (project.split.group,)
    inputs = rows.inputs
    read = {str(inputs.name)} if isinstance(inputs, pd.Series) else {str(name) for name in inputs.columns}
    read |= {project.data.label, *([project.data.time] if project.data.time else [])}
    found = [str(name) for name in rows.frame.columns if str(name) not in read and _names_groups(rows.frame[name])]
    return tuple(found[:_MOST_GUESSES])


def order_rows(rows: Dataset, groups: tuple[str, ...], time: str | None) -> RowOrder:
    """The groups and times of rows; the time is left out where its column is missing or no row has one."""
    keys = {column: find_row_groups(rows, column).keys for column in groups if column in rows.frame.columns}
    if time is None or time not in rows.frame.columns:
        return RowOrder(keys)
    moments, unknown = read_row_times(rows.frame[time], rows.rules)
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
