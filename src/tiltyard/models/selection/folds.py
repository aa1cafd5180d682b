"""The folds of a cross-validation: stratified by label, and whole groups where rows belong together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from tiltyard.data import Dataset
from tiltyard.data.groups import RowGroups, find_row_groups
from tiltyard.errors import DataError
from tiltyard.formatting import format_count
from tiltyard.tasks import predicts_numbers

# So many groups are shared out evenly by chance; stratifying them costs a step in Python for each.
MANY_GROUPS = 20_000

Rows = NDArray[np.intp]
Fold = tuple[Rows, Rows]


def make_folds(
    train: Dataset, folds: int, random_state: int, *, in_order: bool = False, group: str | None = None
) -> list[Fold]:
    """The rows to fit on and the rows to hold out, fold by fold.

    Folds have about the same shares of labels; numbers are drawn as they come. With groups they have them as far as
    whole groups allow.

    Args:
        train: n rows.
        folds: number of folds, at least 2.
        random_state: seed of the folds.
        in_order: folds are rows that stand together, within each label; without meaning where there are groups.
        group: column of the rows that belong together.

    Raises:
        DataError: there are fewer groups than folds, or a label would be held out that the fold has no row to learn
            from.
    """
    numbers = predicts_numbers(train.task)
    labels = train.labels.to_numpy(dtype=object)
    if group is None and numbers:
        return list(KFold(folds, shuffle=not in_order, random_state=None if in_order else random_state).split(labels))
    if group is None:
        parts = StratifiedKFold(n_splits=folds, shuffle=not in_order, random_state=None if in_order else random_state)
        return list(parts.split(labels, labels))
    groups = find_row_groups(train, group)
    if groups.count < folds:
        raise DataError(
            f"The train side has {format_count(groups.count, 'group')} of '{group}'; {folds}-fold cross-validation "
            f"needs {folds}.",
            next_step="Add groups, lower training.folds, or name a single candidate and no search.",
            code="data.too-few-for-folds",
            column=group,
        )
    stratified = groups.count <= MANY_GROUPS and not numbers
    divider = (StratifiedGroupKFold if stratified else GroupKFold)(folds, shuffle=True, random_state=random_state)
    found = list(divider.split(labels, labels, groups.keys))
    if not numbers:
        _require_known_labels(found, labels, groups)
    return found


def _require_known_labels(found: Sequence[Fold], labels: NDArray[np.object_], groups: RowGroups) -> None:
    for rows, held_out in found:
        unknown = sorted(set(labels[held_out]) - set(labels[rows]))
        if unknown:
            count = len(np.unique(groups.keys[labels == unknown[0]]))
            raise DataError(
                f"The label {unknown[0]!r} occurs in {format_count(count, 'group')} of '{groups.column}' on the train "
                "side, which one fold of the cross-validation holds out together.",
                next_step="Add groups with this label, change training.folds, or name a single candidate and no "
                "search.",
                code="data.too-few-for-folds",
                column=groups.column,
            )
