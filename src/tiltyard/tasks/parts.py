"""The strategy of a task: for each part of Tiltyard an object that holds what differs there between targets.

A part states what it needs of a task as a subclass of ``TaskPart`` with abstract methods, in its own ``task_part``
module. The folder of a target (``tiltyard.targets.NAME``) has one module for each such part, named like it, in which
``PART`` is the implementation; of a target that extends another, what its folder lacks is that of the other. It is
loaded by name on first use: a part of Tiltyard asks for its own implementation, which imports no part above it, and
nothing but the folder knows what a target needs.
"""

from __future__ import annotations

from abc import ABC
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Self

from tiltyard.tasks.traits import TARGETS, TASKS, Task, TaskTarget


class TaskPart(ABC):  # noqa: B024 - what is abstract stands in the part of each package
    """What one part of Tiltyard needs of a task."""

    @classmethod
    def find_for(cls, task: Task) -> Self:
        """The implementation for a task."""
        return cls.find_for_target(TASKS[task].target)

    @classmethod
    def find_for_target(cls, target: TaskTarget) -> Self:
        """The implementation for what a model predicts."""
        found: Self = _load_part(cls, target)
        return found


@cache
def _load_part(port: type[TaskPart], target: TaskTarget) -> Any:
    """The ``PART`` of the target's module that is named like the part in which the port stands."""
    traits = TARGETS[target]
    module = f"{traits.folder}.{port.__module__.split('.')[1]}"
    if traits.extends is not None and find_spec(module) is None:
        return _load_part(port, traits.extends)
    part = import_module(module).PART
    if not isinstance(part, port):
        raise TypeError(f"{traits.folder} has no {port.__name__}")
    return part
