"""The loop closes: from findings to actions that survive whatever happens to the process."""

from tiltyard.pipeline.remediation.ab_test_wait import AbTestWait, make_ab_test_wait
from tiltyard.pipeline.remediation.actions import AbTestEvaluator, ActionContext, Trainer
from tiltyard.pipeline.remediation.canary_checks import check_new_champion
from tiltyard.pipeline.remediation.history import Action, History, read_history
from tiltyard.pipeline.remediation.metrics_scraper import MetricsScraper
from tiltyard.pipeline.remediation.policy import Decision, Situation, decide
from tiltyard.pipeline.remediation.responder import Remediation, Responder
from tiltyard.pipeline.remediation.retraining import ProjectTrainer, TrainingBasis, find_basis

__all__ = [
    "AbTestEvaluator",
    "AbTestWait",
    "Action",
    "ActionContext",
    "Decision",
    "History",
    "MetricsScraper",
    "ProjectTrainer",
    "Remediation",
    "Responder",
    "Situation",
    "Trainer",
    "TrainingBasis",
    "check_new_champion",
    "decide",
    "find_basis",
    "make_ab_test_wait",
    "read_history",
]
