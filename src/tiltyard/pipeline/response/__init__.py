"""The loop closes: from findings to actions that survive whatever happens to the process."""

from tiltyard.pipeline.response.actions import LiveJudge, Trainer, Workshop
from tiltyard.pipeline.response.history import Action, History, read_history
from tiltyard.pipeline.response.live import LiveChallenge, live_judge
from tiltyard.pipeline.response.policy import Decision, Situation, decide
from tiltyard.pipeline.response.probing import ServiceProbe
from tiltyard.pipeline.response.respond import Responder, Response
from tiltyard.pipeline.response.retraining import ProjectTrainer
from tiltyard.pipeline.response.watch import ServiceCounts, watch_new_champion

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
