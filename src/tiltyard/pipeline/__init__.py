"""The loop's use cases: train, challenge, promote."""

from tiltyard.pipeline.examination import Examination, examine_model
from tiltyard.pipeline.governance import Reign, promote_version, reign_at, roll_back
from tiltyard.pipeline.promotion import Promotion, challenge, point_alias
from tiltyard.pipeline.runner import QuietRunner, Runner
from tiltyard.pipeline.stage import Stage
from tiltyard.pipeline.training import TrainingOutcome, TrainingRequest, train
from tiltyard.pipeline.validation import Validation, drift_of, drift_over_time, validate_data
from tiltyard.pipeline.version_report import VersionReport, report_version

__all__ = [
    "Examination",
    "Promotion",
    "QuietRunner",
    "Reign",
    "Runner",
    "Stage",
    "TrainingOutcome",
    "TrainingRequest",
    "Validation",
    "VersionReport",
    "challenge",
    "drift_of",
    "drift_over_time",
    "examine_model",
    "point_alias",
    "promote_version",
    "reign_at",
    "report_version",
    "roll_back",
    "train",
    "validate_data",
]
