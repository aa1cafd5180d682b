"""Labels of classes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from tiltyard.data.conform.labels import conform_labels, order_classes
from tiltyard.data.inference.class_choice import choose_metric
from tiltyard.data.inference.continuous_labels import are_continuous_labels, refuse_continuous_labels
from tiltyard.data.inference.task_part import ReadLabel, TaskData
from tiltyard.errors import DataError
from tiltyard.formatting import shorten_name
from tiltyard.tasks import Task

if TYPE_CHECKING:
    import pandas as pd


_SHOWN_CLASSES = 5


class ClassData(TaskData):
    """The ``TaskData`` of classes."""

    label_type = str
    column_role = "label"
    cell_type = object
    takes_quantities = False

    def conform_labels(self, column: pd.Series, gaps: Iterable[str] = ()) -> pd.Series:
        return conform_labels(column, gaps)

    def list_classes(self, labels: pd.Series) -> tuple[str, ...]:
        return order_classes(labels.unique())

    def require_varied(self, labels: pd.Series, where: str = "") -> None:
        known = labels.unique()
        if len(known) >= 2:
            return
        only = f"only the label {known[0]!r}" if len(known) else "no label"
        raise DataError(
            f"Column '{labels.name}' holds {only}{where and f' {where}'}; a classifier needs two.",
            next_step="Add rows of another label, or correct data.label.",
            code="data.one-class",
            column=str(labels.name),
        )

    def require_learnable(self, labels: pd.Series, where: str = "") -> None:
        self.require_varied(labels, where)
        refuse_continuous_labels(labels, str(labels.name))

    def read_reported(self, raw: object) -> ReadLabel | None:
        return None

    def describe_label(self, classes: Collection[str]) -> str:
        names = [shorten_name(name) for name in classes]
        more = f" and {len(names) - _SHOWN_CLASSES} more" if len(names) > _SHOWN_CLASSES else ""
        return ", ".join(names[:_SHOWN_CLASSES]) + more

    def suits_labels(self, labels: pd.Series) -> bool:
        return not are_continuous_labels(labels)

    def count_classes(self, column: pd.Series) -> dict[str, int]:
        labels = conform_labels(column).dropna().astype(str)
        refuse_continuous_labels(labels, str(column.name))
        self.require_varied(labels)
        counts = labels.value_counts()
        return {name: int(counts[name]) for name in order_classes(counts.index)}

    def choose_metric(self, classes: Mapping[str, int], task: Task) -> tuple[str, str]:
        return choose_metric(classes)


PART = ClassData()
