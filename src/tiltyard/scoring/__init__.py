"""How a loaded version answers a batch."""

from tiltyard.scoring.groups import score_groups
from tiltyard.scoring.problems import InputProblem, problems_of, refuse, shifted
from tiltyard.scoring.scorer import Scorer, Scores
from tiltyard.scoring.sklearn_scorer import SklearnScorer, make_scorer

__all__ = [
    "InputProblem",
    "Scorer",
    "Scores",
    "SklearnScorer",
    "make_scorer",
    "problems_of",
    "refuse",
    "score_groups",
    "shifted",
]
