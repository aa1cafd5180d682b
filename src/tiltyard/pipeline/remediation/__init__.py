"""The loop closes: from findings to actions that survive whatever happens to the process."""

from tiltyard.pipeline.remediation.ab_test_wait import LiveChallenge, live_judge
from tiltyard.pipeline.remediation.actions import LiveJudge, Trainer, Workshop
from tiltyard.pipeline.remediation.canary_checks import ServiceCounts, watch_new_champion
from tiltyard.pipeline.remediation.history import Action, History, read_history
from tiltyard.pipeline.remediation.metrics_scraper import ServiceProbe
from tiltyard.pipeline.remediation.policy import Decision, Situation, decide
from tiltyard.pipeline.remediation.responder import Responder, Response
from tiltyard.pipeline.remediation.retraining import ProjectTrainer

__all__ = [
    "Action",
    "Decision",
    "History",
    "LiveChallenge",
    "LiveJudge",
    "ProjectTrainer",
    "Responder",
    "Response",
    "ServiceCounts",
    "ServiceProbe",
    "Situation",
    "Trainer",
    "Workshop",
    "decide",
    "live_judge",
    "read_history",
    "watch_new_champion",
]
