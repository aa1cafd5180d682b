"""Pictures of an evaluation, as SVG."""

from tiltyard.evaluation.plots.calibration import plot_calibration
from tiltyard.evaluation.plots.confusion import plot_confusion_matrix, plot_per_class, plot_reliability
from tiltyard.evaluation.plots.groups import plot_fairness, plot_slices
from tiltyard.evaluation.plots.importance import plot_importance
from tiltyard.evaluation.plots.numbers import plot_errors, plot_predicted, plot_residuals

__all__ = [
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_errors",
    "plot_fairness",
    "plot_importance",
    "plot_per_class",
    "plot_predicted",
    "plot_reliability",
    "plot_residuals",
    "plot_slices",
]
