"""What the keys of a project file need of its task."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from tiltyard.tasks import TaskPart


class TaskProject(TaskPart):
    """The keys of a project file that depend on what is predicted."""

    @abstractmethod
    def check_keys(self, project: Any) -> None:
        """Refuse what a project of the task has no meaning for.

        Args:
            project: the ``Project``, whose sections are valid each by itself.

        Raises:
            ValueError: a key does not fit; the message begins with it.
        """
