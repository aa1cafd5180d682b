"""Labels that are a quantity: numbers for which a classifier would need a class each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tiltyard.errors import DataError
from tiltyard.formatting import choose_form, format_count, join_names
from tiltyard.tasks import find_task

if TYPE_CHECKING:
    import pandas as pd

_FRACTIONS = 20
_WHOLE = 50
_ROWS_A_CLASS = 10
_NUMBER_TASKS = (find_task("table", "number"), find_task("text", "number"))


def are_continuous(ordered: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    """Whether ascending numbers measure a quantity: many different fractions, or many whole numbers with few rows each.

    Numbers of up to 20 different values (50 where all are whole) are classes, and so are whole numbers with ten rows
    for each value.
    """
    different = int(np.count_nonzero(np.diff(ordered))) + int(len(ordered) > 0)
    if bool((ordered == np.floor(ordered)).all()):
        return different > _WHOLE and len(ordered) < _ROWS_A_CLASS * different
    return different > _FRACTIONS


def are_continuous_labels(labels: pd.Series) -> bool:
    """Whether n labels are a quantity: numbers for which a classifier would need a class each."""
    counts = labels.value_counts()
    if len(counts) <= _FRACTIONS:
        return False
    import pandas as pd  # noqa: PLC0415 - servers import this module, and have no pandas

    numbers = pd.to_numeric(pd.Series(counts.index.astype(str), dtype=object), errors="coerce").to_numpy(
        dtype=np.float64
    )
    return bool(np.isfinite(numbers).all()) and are_continuous(np.sort(np.repeat(numbers, counts.to_numpy())))


def refuse_continuous_labels(labels: pd.Series, name: str) -> None:
    """Refuse a column of n labels that are a quantity.

    Raises:
        DataError: they are (``data.label-continuous``); it names the column and how many different numbers it has.
    """
    if are_continuous_labels(labels):
        raise describe_continuous_label(name, labels.nunique())


def describe_continuous_label(name: str, different: int, others: Sequence[str] = ()) -> DataError:
    """The error for a label of so many different numbers; ``others`` are columns of classes in the same table."""
    named = choose_form(len(others), "A column of classes is", "Columns of classes are")
    also = f" {named} {join_names(list(others))}." if others else ""
    return DataError(
        f"The label '{name}' looks continuous: {format_count(different, 'different number')}, and the task predicts "
        f"classes.{also}",
        next_step=f"Predict the number (project.task, tiltyard init --task: {' or '.join(_NUMBER_TASKS)}), name "
        "another label (--label, data.label), or write a column of classes such as low, middle and high.",
        code="data.label-continuous",
        column=name,
        different=different,
    )
