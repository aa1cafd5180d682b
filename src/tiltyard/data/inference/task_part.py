"""What reading and dividing labelled rows needs of a task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tiltyard.tasks import Task, TaskPart

if TYPE_CHECKING:  # servers read reported labels without pandas
    import pandas as pd

    from tiltyard.data.columns import LabelRole


@dataclass(frozen=True)
class ReadLabel:
    """A reported label whose value says what it means.

    Attributes:
        text: as the ledger keeps it; None where it is nothing that can be predicted.
        reason: why not.
    """

    text: str | None
    reason: str = ""


class TaskData(TaskPart):
    """The labels of a task.

    Attributes:
        label_type: makes of a recorded label one of a data set in memory: ``str`` or ``float``.
        column_role: what the label's column is to the checks of data: a label of classes, or a target.
        cell_type: of the labels of two sides side by side: ``float`` for numbers, ``object`` for all else.
        takes_quantities: whether a column that is a quantity can be the label.
    """

    label_type: type
    column_role: LabelRole
    cell_type: type
    takes_quantities: bool

    @abstractmethod
    def conform_labels(self, column: pd.Series, gaps: Iterable[str] = ()) -> pd.Series:
        """The labels of a column as the task has them; n values with the column's index and name.

        Args:
            column: n raw labels.
            gaps: words that the project declares as gaps.

        Raises:
            DataError: a label is nothing that the task can predict.
        """

    @abstractmethod
    def list_classes(self, labels: pd.Series) -> tuple[str, ...]:
        """The classes among n labels in their order; none where the task has no classes."""

    @abstractmethod
    def require_varied(self, labels: pd.Series, where: str = "") -> None:
        """Refuse n labels that are all the same, from which nothing can be learnt.

        Args:
            labels: the labels.
            where: what they are of, for the message, such as ``on the train side``; default: the column.

        Raises:
            DataError: they are.
        """

    @abstractmethod
    def require_learnable(self, labels: pd.Series, where: str = "") -> None:
        """The same, and refuse labels that are of another task.

        Raises:
            DataError: they are all the same, or of another task.
        """

    @abstractmethod
    def read_reported(self, raw: object) -> ReadLabel | None:
        """A reported label as the ledger keeps it; None where only the classes of a version tell what it means."""

    @abstractmethod
    def describe_label(self, classes: Collection[str]) -> str:
        """What the label's column holds, in a few words.

        Args:
            classes: its classes.
        """

    @abstractmethod
    def suits_labels(self, labels: pd.Series) -> bool:
        """Whether n labels as text, without gaps, look as if a model should predict this of them."""

    @abstractmethod
    def count_classes(self, column: pd.Series) -> dict[str, int]:
        """The rows of each class of a column of raw labels, in the order of the classes; none without classes.

        Raises:
            DataError: it holds one class, or a quantity.
        """

    @abstractmethod
    def choose_metric(self, classes: Mapping[str, int], task: Task) -> tuple[str, str]:
        """The metric that suits, and why.

        Args:
            classes: rows by class.
            task: what is predicted from what.
        """
