"""The loop's use cases: train, challenge, promote."""

from tiltyard.pipeline.promotion import Promotion, Stage, challenge, point_alias
from tiltyard.pipeline.runner import QuietRunner, Runner
from tiltyard.pipeline.training import TrainingOutcome, train

__all__ = ["Promotion", "QuietRunner", "Runner", "Stage", "TrainingOutcome", "challenge", "point_alias", "train"]
