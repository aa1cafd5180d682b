"""Judging versions: metrics with a direction, evaluation, paired comparison, pictures."""

from tiltyard.evaluation.compare import Comparison, compare, compare_bootstrap, compare_paired
from tiltyard.evaluation.evaluate import Evaluation, evaluate, evaluate_judged
from tiltyard.evaluation.judged import Judged, judged
from tiltyard.evaluation.metrics import METRICS, Metric, get_metric
from tiltyard.evaluation.plots import plot_confusion_matrix, plot_per_class, plot_reliability

__all__ = [
    "METRICS",
    "Comparison",
    "Evaluation",
    "Judged",
    "Metric",
    "compare",
    "compare_bootstrap",
    "compare_paired",
    "evaluate",
    "evaluate_judged",
    "get_metric",
    "judged",
    "plot_confusion_matrix",
    "plot_per_class",
    "plot_reliability",
]
