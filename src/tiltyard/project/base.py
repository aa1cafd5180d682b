"""The base of all tables of the project file, and what they need of a task."""

from __future__ import annotations

import unicodedata
from abc import abstractmethod
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tiltyard.tasks import TaskPart

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=128)]
Share = Annotated[float, Field(gt=0, lt=1)]
Portion = Annotated[float, Field(ge=0, le=1)]


def normalise_name(name: str) -> str:
    """A column's name as the data has it: without outer white space, its accents composed (NFC)."""
    return unicodedata.normalize("NFC", name.strip())


ColumnName = Annotated[str, AfterValidator(normalise_name)]


class Section(BaseModel):
    """A table of the project file: immutable; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
