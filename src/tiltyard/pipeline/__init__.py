"""The loop's use cases: train, challenge, promote."""

from tiltyard.pipeline.examination import Examination, examine_model
from tiltyard.pipeline.promotion import Promotion, Stage, challenge, point_alias
from tiltyard.pipeline.runner import QuietRunner, Runner
from tiltyard.pipeline.training import TrainingOutcome, TrainingRequest, train
from tiltyard.pipeline.validation import Validation, validate_data
from tiltyard.pipeline.version_report import VersionReport, report_version

__all__ = [
    "Examination",
    "Promotion",
    "QuietRunner",
    "Runner",
    "Stage",
    "TrainingOutcome",
    "TrainingRequest",
    "Validation",
    "VersionReport",
    "challenge",
    "examine_model",
    "point_alias",
    "report_version",
    "train",
    "validate_data",
]
