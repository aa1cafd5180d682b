"""The loop's use cases: train, challenge, promote."""

from tiltyard.pipeline.approval import ApprovalRequest, approve_version, decline_version, pending_approvals
from tiltyard.pipeline.examination import Examination, examine_model
from tiltyard.pipeline.governance import Reign, promote_version, reign_at, roll_back
from tiltyard.pipeline.promotion import Promotion, challenge, point_alias
from tiltyard.pipeline.runner import QuietRunner, Runner
from tiltyard.pipeline.stage import Stage
from tiltyard.pipeline.succession import ChampionChangedError, Settled, mend_succession
from tiltyard.pipeline.training import TrainingOutcome, TrainingRequest, train
from tiltyard.pipeline.validation import Validation, drift_of, drift_over_time, validate_data
from tiltyard.pipeline.version_report import VersionReport, report_version

__all__ = [
    "ApprovalRequest",
    "ChampionChangedError",
    "Examination",
    "Promotion",
    "QuietRunner",
    "Reign",
    "Runner",
    "Settled",
    "Stage",
    "TrainingOutcome",
    "TrainingRequest",
    "Validation",
    "VersionReport",
    "approve_version",
    "challenge",
    "decline_version",
    "drift_of",
    "drift_over_time",
    "examine_model",
    "mend_succession",
    "pending_approvals",
    "point_alias",
    "promote_version",
    "reign_at",
    "report_version",
    "roll_back",
    "train",
    "validate_data",
]
