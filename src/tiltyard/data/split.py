"""Which rows a model learns from (train), and which it is tested on (test)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.kinds import TIME_STEP, read_row_times
from tiltyard.data.content_hash import uniform_hash
from tiltyard.data.dataset import Dataset
from tiltyard.data.groups import RowGroups, find_row_groups
from tiltyard.data.inference.task_part import TaskData
from tiltyard.errors import DataError
from tiltyard.formatting import format_count
from tiltyard.project import SplitSection

_MOST_NAMES = 8


@dataclass(frozen=True)
class Split:
    """The two sides of a dataset; no row is on both."""

    train: Dataset
    test: Dataset


def split_dataset(dataset: Dataset, rule: SplitSection, time: str | None = None) -> Split:
    """Divide a dataset by the project's rule.

    By content, a row's side follows from what it says: it never changes sides between trainings, and copies of a
    row are always together. By time, the newest share is the test side. By column, the column's words ``train`` and
    ``test`` decide.

    With ``split.group`` no group is on both sides. By content, the side follows from the hash of the group's name. By
    time, a group is where its newest row is: no training row is newer than the newest row of a test group, and the
    older rows of test groups are test rows too. By column, a group on both sides is an error.

    Args:
        dataset: the rows.
        rule: the project's ``[split]``.
        time: the column that says when a row came about, for the rule ``time``.

    Raises:
        DataError: a side would be empty, the train side would know fewer than two labels, the column
            that the rule names is missing or unreadable, or a group would be on both sides.
    """
    groups = None if rule.group is None else find_row_groups(dataset, rule.group)
    is_test = _find_test_rows(dataset, rule, time, groups)
    split = Split(train=dataset.take(~is_test), test=dataset.take(is_test))
    _require_both_sides(split, len(dataset), groups)
    return split


def find_test_rows(dataset: Dataset, rule: SplitSection, time: str | None = None) -> NDArray[np.bool_]:
    """Which of n rows are test rows by the project's rule; ``split_dataset`` states the rules.

    Raises:
        DataError: the column that the rule names is missing or unreadable, or a group would be on both sides.
    """
    return _find_test_rows(dataset, rule, time, None if rule.group is None else find_row_groups(dataset, rule.group))


def _find_test_rows(
    dataset: Dataset, rule: SplitSection, time: str | None, groups: RowGroups | None
) -> NDArray[np.bool_]:
    if groups is not None:
        _require_groups(groups)
    if rule.by == "content":
        if groups is None:
            _require_different_rows(dataset)
        keys = dataset.content_keys if groups is None else groups.keys
        return np.asarray(uniform_hash(keys, rule.salt) < rule.test, dtype=np.bool_)
    if rule.by == "time":
        return _find_newest(dataset, time or "", rule.test, groups)
    column = rule.by.removeprefix("column:")
    is_test = _read_sides(dataset.frame, column)
    if groups is not None:
        _require_whole_groups(groups, is_test, column)
    return is_test


def _require_different_rows(dataset: Dataset) -> None:
    """Make sure that the inputs tell rows apart: a row and its copies never part, so else one side is empty.

    Raises:
        DataError: all rows have the same values (``data.same-rows``).
    """
    if len(dataset) < 2 or (dataset.content_keys != dataset.content_keys[0]).any():
        return
    inputs = dataset.inputs
    named = [str(name) for name in (inputs.columns if isinstance(inputs, pd.DataFrame) else [inputs.name])]
    shown = ", ".join(f"'{name}'" for name in named[:_MOST_NAMES]) + (", …" if len(named) > _MOST_NAMES else "")
    raise DataError(
        f"All {format_count(len(dataset), 'row')} have the same value in {shown}, so nothing tells labels apart.",
        next_step="Add rows that differ, or name the columns to learn from in data.features.",
        code="data.same-rows",
        rows=len(dataset),
    )


def _require_groups(groups: RowGroups) -> None:
    if groups.count > 1:
        return
    name, rows = groups.find_largest()
    raise DataError(
        f"All {format_count(rows, 'row')} are one group of '{groups.column}'{'' if name is None else f' ({name!r})'}, "
        "and a group is never on both sides.",
        next_step="Name a column of more groups in split.group, or remove split.group.",
        code="data.one-group",
        column=groups.column,
        rows=rows,
    )


def _require_whole_groups(groups: RowGroups, is_test: NDArray[np.bool_], column: str) -> None:
    named = groups.names.notna().to_numpy()
    parted = np.intersect1d(groups.keys[is_test & named], groups.keys[~is_test & named])
    if not len(parted):
        return
    one = groups.keys == parted[0]
    test = int((one & is_test).sum())
    raise DataError(
        f"Column '{column}' puts {format_count(len(parted), 'group')} of '{groups.column}' on both sides: "
        f"{groups.names.iloc[int(one.argmax())]!r} has {int(one.sum()) - test} rows on the train side and {test} on "
        "the test side.",
        next_step=f"Put each group on one side in '{column}', or remove split.group.",
        code="data.parted-group",
        column=column,
    )


def _find_newest(dataset: Dataset, column: str, share: float, groups: RowGroups | None) -> NDArray[np.bool_]:
    moments = _read_moments(dataset, column)
    if groups is not None:
        moments = moments.reset_index(drop=True).groupby(groups.keys).transform("max")
    # Rows of one moment stay together: the cut lies between two moments.
    ordered = moments.sort_values(ignore_index=True)
    cut = ordered.iloc[max(0, len(ordered) - max(1, round(len(ordered) * share)) - 1)]
    earlier = ordered[ordered < ordered.iloc[-1]]
    if len(earlier):
        # The newest moment, or the group that it belongs to, may have more rows than the test side should.
        cut = min(cut, earlier.iloc[-1])
    return np.asarray(moments > cut, dtype=np.bool_)


def _read_moments(dataset: Dataset, column: str) -> pd.Series:
    values = _find_column(dataset.frame, column)
    moments, unread = read_row_times(values, dataset.rules)
    if unread.any():
        row = int(np.flatnonzero(unread)[0])
        raise DataError(
            f"Column '{column}' has {format_count(int(unread.sum()), 'value')} that cannot be read as a time; the "
            f"first is {values.iloc[row]!r} in row {row + 1}. A split by time needs them all.",
            next_step=TIME_STEP,
            column=column,
        )
    return moments


def _read_sides(frame: pd.DataFrame, column: str) -> NDArray[np.bool_]:
    sides = _find_column(frame, column).astype(str).str.strip().str.lower()
    unknown = sorted(set(sides.unique()) - {"train", "test"})
    if unknown:
        raise DataError(
            f"Column '{column}' says {unknown[0]!r} where only 'train' and 'test' mean something.",
            next_step=f"Write train or test into every row of '{column}', or split by content.",
            column=column,
        )
    return np.asarray(sides == "test", dtype=np.bool_)


def _find_column(frame: pd.DataFrame, column: str) -> pd.Series:
    if column not in frame.columns:
        raise DataError(
            f"The data has no column '{column}' to split by; it has {', '.join(map(str, frame.columns))}.",
            next_step="Correct [split] in the project file.",
            column=column,
        )
    return frame[column]


def _require_both_sides(split: Split, rows: int, groups: RowGroups | None) -> None:
    for side, part in (("test", split.test), ("train", split.train)):
        if len(part) == 0:
            parts = "" if groups is None else f" in {format_count(groups.count, 'group')} of '{groups.column}'"
            raise DataError(
                f"Of {format_count(rows, 'row')}{parts} none falls on the {side} side.",
                next_step=f"Add {'rows' if groups is None else 'groups'}, or change [split] in the project file.",
                code=f"data.no-{side}-rows",
                rows=rows,
            )
    TaskData.find_for(split.train.task).require_varied(split.train.labels, "on the train side")
