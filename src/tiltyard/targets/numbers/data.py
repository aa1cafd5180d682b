"""Labels that are numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from tiltyard.data.inference.continuous_labels import are_continuous_labels
from tiltyard.data.inference.task_part import ReadLabel, TaskData
from tiltyard.data.number_labels import (
    LARGEST,
    conform_number_labels,
    read_number,
    require_varied_numbers,
    write_number,
)
from tiltyard.formatting import quote_excerpt
from tiltyard.tasks import TASKS, Task

if TYPE_CHECKING:
    import pandas as pd


_MAE_REASON = "mean distance from the true number, in its unit; few large errors do not decide"


class NumberData(TaskData):
    """The ``TaskData`` of numbers."""

    label_type = float
    column_role = "target"
    cell_type = float
    takes_quantities = True

    def conform_labels(self, column: pd.Series, gaps: Iterable[str] = ()) -> pd.Series:
        return conform_number_labels(column, gaps)

    def list_classes(self, labels: pd.Series) -> tuple[str, ...]:
        return ()

    def require_varied(self, labels: pd.Series, where: str = "") -> None:
        require_varied_numbers(labels, where)

    def require_learnable(self, labels: pd.Series, where: str = "") -> None:
        require_varied_numbers(labels, where)

    def read_reported(self, raw: object) -> ReadLabel | None:
        value = read_number(raw)
        if value is None or not math.isfinite(value):
            return ReadLabel(None, f"{quote_excerpt(raw)} is not a finite number, and the model predicts numbers.")
        if abs(value) > LARGEST:
            return ReadLabel(
                None, f"{quote_excerpt(raw)} is beyond ±{LARGEST:g}, and the square of its error infinite."
            )
        return ReadLabel(write_number(value))

    def describe_label(self, classes: Collection[str]) -> str:
        return "a number"

    def suits_labels(self, labels: pd.Series) -> bool:
        return are_continuous_labels(labels)

    def count_classes(self, column: pd.Series) -> dict[str, int]:
        return {}

    def choose_metric(self, classes: Mapping[str, int], task: Task) -> tuple[str, str]:
        return TASKS[task].metric, _MAE_REASON


PART = NumberData()
