"""The tasks: what a model reads and what it predicts, described once."""

from tiltyard.tasks.decision_rule import Costs, DecisionRule
from tiltyard.tasks.traits import (
    TASKS,
    Task,
    TaskInput,
    TaskTarget,
    TaskTraits,
    find_task,
    predicts_numbers,
    reads_text,
)

__all__ = [
    "TASKS",
    "Costs",
    "DecisionRule",
    "Task",
    "TaskInput",
    "TaskTarget",
    "TaskTraits",
    "find_task",
    "predicts_numbers",
    "reads_text",
]
