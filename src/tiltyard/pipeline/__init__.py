"""The loop's use cases: train, challenge, promote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.pipeline.orchestration.runner import QuietRunner, Runner
    from tiltyard.pipeline.training.data_checks import DataCheck, drift_from_previous, drift_over_time, validate_data
    from tiltyard.pipeline.training.train import TrainingOutcome, TrainingRequest, train
    from tiltyard.promotion.alias_change import ChampionChangedError, Recovered, recover_alias_changes
    from tiltyard.promotion.approval import ApprovalRequest, approve_version, decline_version, pending_approvals
    from tiltyard.promotion.challenge import PromotionResult, challenge_champion
    from tiltyard.promotion.context import Workspace
    from tiltyard.promotion.manual_change import point_alias
    from tiltyard.promotion.model_analysis import ModelAnalysis, analyse_model
    from tiltyard.promotion.rollback import promote_version, roll_back
    from tiltyard.promotion.version_report import VersionEvaluation, evaluate_version
    from tiltyard.registry.alias_history import ChampionPeriod, champion_at

__all__ = [
    "ApprovalRequest",
    "ChampionChangedError",
    "ChampionPeriod",
    "DataCheck",
    "ModelAnalysis",
    "PromotionResult",
    "QuietRunner",
    "Recovered",
    "Runner",
    "TrainingOutcome",
    "TrainingRequest",
    "VersionEvaluation",
    "Workspace",
    "analyse_model",
    "approve_version",
    "challenge_champion",
    "champion_at",
    "decline_version",
    "drift_from_previous",
    "drift_over_time",
    "evaluate_version",
    "pending_approvals",
    "point_alias",
    "promote_version",
    "recover_alias_changes",
    "roll_back",
    "train",
    "validate_data",
]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "orchestration.runner": (
                "QuietRunner",
                "Runner",
            ),
            "training.data_checks": (
                "DataCheck",
                "drift_from_previous",
                "drift_over_time",
                "validate_data",
            ),
            "training.train": (
                "TrainingOutcome",
                "TrainingRequest",
                "train",
            ),
            "tiltyard.promotion.alias_change": (
                "ChampionChangedError",
                "Recovered",
                "recover_alias_changes",
            ),
            "tiltyard.promotion.approval": (
                "ApprovalRequest",
                "approve_version",
                "decline_version",
                "pending_approvals",
            ),
            "tiltyard.promotion.challenge": (
                "PromotionResult",
                "challenge_champion",
            ),
            "tiltyard.promotion.context": ("Workspace",),
            "tiltyard.promotion.manual_change": ("point_alias",),
            "tiltyard.promotion.model_analysis": (
                "ModelAnalysis",
                "analyse_model",
            ),
            "tiltyard.promotion.rollback": (
                "promote_version",
                "roll_back",
            ),
            "tiltyard.promotion.version_report": (
                "VersionEvaluation",
                "evaluate_version",
            ),
            "tiltyard.registry.alias_history": (
                "ChampionPeriod",
                "champion_at",
            ),
        },
    )
