"""Labels that are counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from tiltyard.data.inference.task_part import ReadLabel
from tiltyard.errors import DataError
from tiltyard.targets.numbers.data import NumberData
from tiltyard.tasks import TASKS, Task

if TYPE_CHECKING:
    import pandas as pd


class CountData(NumberData):
    def conform_labels(self, column: pd.Series, gaps: Iterable[str] = ()) -> pd.Series:
        labels = super().conform_labels(column, gaps)
        wrong = labels[(labels < 0) | (labels % 1 != 0)]
        if len(wrong):
            raise DataError(
                f"Column '{column.name}' holds {wrong.iloc[0]:g}, which is not a count.",
                next_step="Correct the row, or set project.task to tabular-regression.",
                code="data.not-a-count",
                column=str(column.name),
            )
        return labels

    def read_reported(self, raw: object) -> ReadLabel | None:
        read = super().read_reported(raw)
        if read is None or read.text is None:
            return read
        value = float(read.text)
        return read if value >= 0 and value.is_integer() else ReadLabel(None, f"{value:g} is not a count.")

    def describe_label(self, classes: Collection[str]) -> str:
        return "a count"

    def suits_labels(self, labels: pd.Series) -> bool:
        return False

    def choose_metric(self, classes: Mapping[str, int], task: Task) -> tuple[str, str]:
        return TASKS[task].metric, "errors count in proportion to what is expected"


PART = CountData()
