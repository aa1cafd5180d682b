"""Pictures of an evaluation, as matplotlib figures that belong to no screen."""

from tiltyard.evaluation.plots.answers import plot_confusion_matrix, plot_per_class, plot_reliability
from tiltyard.evaluation.plots.calibration import plot_calibration
from tiltyard.evaluation.plots.importance import plot_importance
from tiltyard.evaluation.plots.parts import plot_fairness, plot_slices

__all__ = [
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_fairness",
    "plot_importance",
    "plot_per_class",
    "plot_reliability",
    "plot_slices",
]
