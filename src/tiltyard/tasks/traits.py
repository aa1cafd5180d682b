"""What the tasks are: two independent choices, what a model reads and what it predicts.

No other module names a task or compares one with a name. It asks here for the property that it depends on, so that a
further task is described once. What a task needs of a part of Tiltyard (metrics, comparison, scoring, words) stands in
the folder of its target, and is found through ``TaskPart``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Task = Literal["text-classification", "tabular-classification", "text-regression", "tabular-regression"]
TaskInput = Literal["text", "table"]
TaskTarget = Literal["class", "number"]


@dataclass(frozen=True)
class TaskTraits:
    """One task.

    Attributes:
        name: as the project file calls it.
        input: what a model reads: one text, or the columns of a table.
        target: what it predicts: one class of several, or a number.
        metric: by which versions are compared where the project names none.
        model_ending: how the name of a registered model ends where the project gives it none.
    """

    name: Task
    input: TaskInput
    target: TaskTarget
    metric: str
    model_ending: str


TASKS: Mapping[Task, TaskTraits] = MappingProxyType(
    {
        traits.name: traits
        for traits in (
            TaskTraits("text-classification", "text", "class", "accuracy", "classifier"),
            TaskTraits("tabular-classification", "table", "class", "accuracy", "classifier"),
            TaskTraits("text-regression", "text", "number", "mae", "regressor"),
            TaskTraits("tabular-regression", "table", "number", "mae", "regressor"),
        )
    }
)
"""The tasks by name."""
TARGETS: Mapping[TaskTarget, str] = MappingProxyType(
    {"class": "tiltyard.targets.classes", "number": "tiltyard.targets.numbers"}
)
"""The folder of each target, which holds what differs between targets (see ``TaskPart``)."""
USUAL_TARGET: TaskTarget = "class"
"""What a label is read as where nothing says what it is."""


def reads_text(task: Task) -> bool:
    """Whether a model of the task reads one text, not the columns of a table."""
    return TASKS[task].input == "text"


def find_task(input_kind: TaskInput, target: TaskTarget) -> Task:
    """The task of so an input and so a target."""
    return next(traits.name for traits in TASKS.values() if (traits.input, traits.target) == (input_kind, target))
