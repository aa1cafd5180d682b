"""How groups of people are treated, and weights that make the label independent of them."""

from tiltyard.evaluation.fairness.errors import evaluate_error_fairness
from tiltyard.evaluation.fairness.report import FairnessReport, check_fairlearn, evaluate_fairness
from tiltyard.evaluation.fairness.reweighing import compute_reweighing, cross_groups

__all__ = [
    "FairnessReport",
    "check_fairlearn",
    "compute_reweighing",
    "cross_groups",
    "evaluate_error_fairness",
    "evaluate_fairness",
]
