"""The tasks: what a model reads and what it predicts, described once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.tasks.decision_rule import Costs, DecisionRule
    from tiltyard.tasks.parts import TaskPart
    from tiltyard.tasks.prediction_sets import (
        CONFIDENCE_LEVEL,
        PREDICTION_SET,
        PREDICTION_SETS,
        LabelCategory,
        SetCalibration,
        SetCoverage,
        check_confidence_level,
        require_sets,
        write_set,
    )
    from tiltyard.tasks.traits import (
        TARGETS,
        TASKS,
        USUAL_TARGET,
        Registered,
        TargetTraits,
        Task,
        TaskInput,
        TaskTarget,
        TaskTraits,
        find_task,
        is_kind_of,
        narrow_target,
        reads_text,
    )

__all__ = [
    "CONFIDENCE_LEVEL",
    "PREDICTION_SET",
    "PREDICTION_SETS",
    "TARGETS",
    "TASKS",
    "USUAL_TARGET",
    "Costs",
    "DecisionRule",
    "LabelCategory",
    "Registered",
    "SetCalibration",
    "SetCoverage",
    "TargetTraits",
    "Task",
    "TaskInput",
    "TaskPart",
    "TaskTarget",
    "TaskTraits",
    "check_confidence_level",
    "find_task",
    "is_kind_of",
    "narrow_target",
    "reads_text",
    "require_sets",
    "write_set",
]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "decision_rule": (
                "Costs",
                "DecisionRule",
            ),
            "parts": ("TaskPart",),
            "prediction_sets": (
                "CONFIDENCE_LEVEL",
                "PREDICTION_SET",
                "PREDICTION_SETS",
                "LabelCategory",
                "SetCalibration",
                "SetCoverage",
                "check_confidence_level",
                "require_sets",
                "write_set",
            ),
            "traits": (
                "TARGETS",
                "TASKS",
                "USUAL_TARGET",
                "Registered",
                "TargetTraits",
                "Task",
                "TaskInput",
                "TaskTarget",
                "TaskTraits",
                "find_task",
                "is_kind_of",
                "narrow_target",
                "reads_text",
            ),
        },
    )
