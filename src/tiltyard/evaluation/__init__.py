"""Evaluation of versions: metrics with a direction, slices, fairness, calibration, importance, comparison."""

from tiltyard.evaluation.baseline import GUESSES, GuessBaseline, guess_baseline, guessing_p_value
from tiltyard.evaluation.calibration import CalibrationReport, Reliability, evaluate_calibration
from tiltyard.evaluation.compare import Comparison, compare, compare_bootstrap, compare_paired
from tiltyard.evaluation.evaluate import Evaluation, evaluate, evaluate_predictions
from tiltyard.evaluation.fairness import FairnessReport, check_fairlearn, evaluate_fairness
from tiltyard.evaluation.groups import Grouping, group_by_length, group_columns, group_rows, select_columns
from tiltyard.evaluation.importance import (
    Importance,
    ImportanceChange,
    compare_importance,
    permutation_importance,
    term_importance,
)
from tiltyard.evaluation.intervals import Interval, bootstrap, newcombe, wilson
from tiltyard.evaluation.labelled_predictions import LabelledPredictions, label_predictions
from tiltyard.evaluation.metrics import METRICS, Metric, get_metric
from tiltyard.evaluation.plots import (
    plot_calibration,
    plot_confusion_matrix,
    plot_fairness,
    plot_importance,
    plot_per_class,
    plot_reliability,
    plot_slices,
)
from tiltyard.evaluation.reweighing import compute_reweighing, cross_groups
from tiltyard.evaluation.slice_comparison import SliceComparison, compare_slices
from tiltyard.evaluation.slices import Slice, SliceReport, evaluate_slices

__all__ = [
    "GUESSES",
    "METRICS",
    "CalibrationReport",
    "Comparison",
    "Evaluation",
    "FairnessReport",
    "Grouping",
    "GuessBaseline",
    "Importance",
    "ImportanceChange",
    "Interval",
    "LabelledPredictions",
    "Metric",
    "Reliability",
    "Slice",
    "SliceComparison",
    "SliceReport",
    "bootstrap",
    "check_fairlearn",
    "compare",
    "compare_bootstrap",
    "compare_importance",
    "compare_paired",
    "compare_slices",
    "compute_reweighing",
    "cross_groups",
    "evaluate",
    "evaluate_calibration",
    "evaluate_fairness",
    "evaluate_predictions",
    "evaluate_slices",
    "get_metric",
    "group_by_length",
    "group_columns",
    "group_rows",
    "guess_baseline",
    "guessing_p_value",
    "label_predictions",
    "newcombe",
    "permutation_importance",
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_fairness",
    "plot_importance",
    "plot_per_class",
    "plot_reliability",
    "plot_slices",
    "select_columns",
    "term_importance",
    "wilson",
]
