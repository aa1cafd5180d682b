"""The loop's use cases: train, challenge, promote."""

from tiltyard.pipeline.orchestration.runner import QuietRunner, Runner
from tiltyard.pipeline.training.data_checks import Validation, drift_of, drift_over_time, validate_data
from tiltyard.pipeline.training.train import TrainingOutcome, TrainingRequest, train
from tiltyard.promotion.alias_change import ChampionChangedError, Settled, mend_succession
from tiltyard.promotion.approval import ApprovalRequest, approve_version, decline_version, pending_approvals
from tiltyard.promotion.challenge import Promotion, challenge, point_alias
from tiltyard.promotion.context import Stage
from tiltyard.promotion.model_analysis import Examination, examine_model
from tiltyard.promotion.rollback import Reign, promote_version, reign_at, roll_back
from tiltyard.promotion.version_report import VersionReport, report_version

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
