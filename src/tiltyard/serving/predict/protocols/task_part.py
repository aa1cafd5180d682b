"""What responses need of a task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from tiltyard.tasks import TaskPart


class TaskServing(TaskPart):
    """The responses of a task.

    Attributes:
        tensors: the outputs of the V2 protocol that a request gets which names none.
    """

    tensors: tuple[str, ...]

    @abstractmethod
    def answer_fields(self, label_field: str) -> dict[str, Any]:
        """The fields of a prediction's schema, for pydantic: the label or the number, and what says how sure it is.

        Args:
            label_field: the name of the first.
        """

    @abstractmethod
    def optional_fields(self) -> dict[str, Any]:
        """The fields that only some predictions have."""

    @abstractmethod
    def describe_tensors(self, classes: Sequence[str]) -> list[dict[str, Any]]:
        """The metadata of the outputs of the V2 protocol.

        Args:
            classes: the classes of the version; none where it has none.
        """
