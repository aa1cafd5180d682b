"""The tasks: what a model reads and what it predicts, described once."""

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
