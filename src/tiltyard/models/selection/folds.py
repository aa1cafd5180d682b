"""The folds of a cross-validation: stratified by label, and whole groups where rows belong together."""

from __future__ import annotations

from tiltyard.data import Dataset
from tiltyard.data.groups import find_row_groups
from tiltyard.errors import DataError
from tiltyard.formatting import format_count
from tiltyard.models.recipes.task_part import Fold, FoldPlan, TaskModels


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
    of_task, plan = TaskModels.find_for(train.task), FoldPlan(folds, random_state, in_order)
    labels = train.labels.to_numpy(dtype=object)
    if group is None:
        return of_task.divide(labels, plan)
    groups = find_row_groups(train, group)
    if groups.count < folds:
        raise DataError(
            f"The train side has {format_count(groups.count, 'group')} of '{group}'; {folds}-fold cross-validation "
            f"needs {folds}.",
            next_step="Add groups, lower training.folds, or name a single candidate and no search.",
            code="data.too-few-for-folds",
            column=group,
        )
    return of_task.divide_groups(labels, groups, plan)
