"""The loop's use cases: train, challenge, promote."""

from tiltyard.pipeline.promotion import Promotion, Stage, challenge, point_alias
from tiltyard.pipeline.runner import QuietRunner, Runner
from tiltyard.pipeline.training import TrainingOutcome, TrainingRequest, train
from tiltyard.pipeline.validation import Validation, validate_data

__all__ = [
    "Promotion",
    "QuietRunner",
    "Runner",
    "Stage",
    "TrainingOutcome",
    "TrainingRequest",
    "Validation",
    "challenge",
    "point_alias",
    "train",
    "validate_data",
]
