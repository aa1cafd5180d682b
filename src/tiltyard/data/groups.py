"""Rows that belong together: the key of each row's group (``split.group``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.labels import is_label_gap, write_label
from tiltyard.data.content_hash import Hashes, content_keys, hash_texts
from tiltyard.data.dataset import Dataset
from tiltyard.errors import DataError
from tiltyard.suggest import nearest


@dataclass(frozen=True)
class RowGroups:
    """Which group each of n rows belongs to.

    Attributes:
        column: the column of the groups' names.
        keys: n keys, equal where the rows are of one group.
        names: n names of groups as text; None where the cell is a gap.
    """

    column: str
    keys: Hashes
    names: pd.Series

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(np.unique(self.keys))

    @property
    def nameless(self) -> int:
        """Number of rows without a group's name."""
        return int(self.names.isna().sum())

    def find_largest(self) -> tuple[str | None, int]:
        """The name of the largest group (None where it has none), and its rows."""
        _, first, rows = np.unique(self.keys, return_index=True, return_counts=True)
        place = int(rows.argmax())
        return self.names.iloc[int(first[place])], int(rows[place])


def find_row_groups(dataset: Dataset, column: str) -> RowGroups:
    """The group of each row.

    A name means the same group however it is written: ``7``, ``7.0`` and ``" 7"`` are one. A row without a name is a
    group alone, together with its copies.

    Args:
        dataset: n rows.
        column: the column of the groups' names.

    Raises:
        DataError: there is no such column.
    """
    if column not in dataset.frame.columns:
        columns = [str(name) for name in dataset.frame.columns]
        raise DataError(
            f"The data has no column '{column}' (split.group); it has {', '.join(columns)}.{nearest(column, columns)}",
            next_step="Correct split.group in the project file.",
            code="data.column-missing",
            column=column,
        )
    return _key_groups(dataset.frame[column], lambda alone: dataset.take(alone).content_keys)


def key_groups(names: pd.Series, inputs: pd.Series | pd.DataFrame) -> RowGroups:
    """The groups that n cells name; the content of the n inputs is the key where a cell is a gap."""
    return _key_groups(names, lambda alone: content_keys(inputs[alone]))


def _key_groups(names: pd.Series, key_content: Callable[[NDArray[np.bool_]], Hashes]) -> RowGroups:
    written = names.map(lambda cell: None if is_label_gap(cell) else write_label(cell)).astype(object)
    written = written.where(written.notna(), None).reset_index(drop=True)
    codes, distinct = pd.factorize(written, use_na_sentinel=True)
    keys = np.append(hash_texts(distinct), np.uint64(0))[codes]
    alone = codes < 0
    if alone.any():
        keys[alone] = key_content(alone)
    return RowGroups(str(names.name), keys, written)
