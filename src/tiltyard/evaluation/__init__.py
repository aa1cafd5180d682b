"""Evaluation of versions: metrics with a direction, slices, fairness, calibration, importance, comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiltyard.lazy_names import import_when_used

if TYPE_CHECKING:
    from tiltyard.evaluation.baseline import GUESSES, GuessBaseline, guess_baseline, guessing_p_value
    from tiltyard.evaluation.calibration import CalibrationReport, Reliability, evaluate_calibration
    from tiltyard.evaluation.conformal import Coverage, IntervalCalibration, calibrate_intervals, calibrate_sets
    from tiltyard.evaluation.fairness import FairnessReport, check_fairlearn, evaluate_fairness
    from tiltyard.evaluation.fairness.reweighing import compute_reweighing, cross_groups
    from tiltyard.evaluation.groups import Grouping, group_by_length, group_columns, group_rows, select_columns
    from tiltyard.evaluation.held_out_rows import (
        AnyEvaluation,
        Evaluation,
        NumberEvaluation,
        evaluate,
        evaluate_predictions,
        evaluate_rows,
    )
    from tiltyard.evaluation.importance import (
        Importance,
        ImportanceChange,
        compare_importance,
        permutation_importance,
        term_importance,
    )
    from tiltyard.evaluation.intervals import Interval, bootstrap, newcombe, wilson
    from tiltyard.evaluation.labelled_predictions import (
        EvaluatedRows,
        LabelledPredictions,
        NumberPredictions,
        label_predictions,
        pair_numbers,
    )
    from tiltyard.evaluation.metrics import (
        METRICS,
        NUMBER_METRICS,
        Metric,
        find_metric,
        get_metric,
        get_task_metric,
        list_metrics,
    )
    from tiltyard.evaluation.paired_comparison import compare, compare_bootstrap, compare_paired
    from tiltyard.evaluation.plots import (
        plot_calibration,
        plot_confusion_matrix,
        plot_errors,
        plot_fairness,
        plot_importance,
        plot_per_class,
        plot_predicted,
        plot_reliability,
        plot_residuals,
        plot_slices,
    )
    from tiltyard.evaluation.resampling.comparison import Comparison
    from tiltyard.evaluation.slice_comparison import SliceComparison, compare_slices
    from tiltyard.evaluation.slices import Slice, SliceReport, evaluate_slices

__all__ = [
    "GUESSES",
    "METRICS",
    "NUMBER_METRICS",
    "AnyEvaluation",
    "CalibrationReport",
    "Comparison",
    "Coverage",
    "EvaluatedRows",
    "Evaluation",
    "FairnessReport",
    "Grouping",
    "GuessBaseline",
    "Importance",
    "ImportanceChange",
    "Interval",
    "IntervalCalibration",
    "LabelledPredictions",
    "Metric",
    "NumberEvaluation",
    "NumberPredictions",
    "Reliability",
    "Slice",
    "SliceComparison",
    "SliceReport",
    "bootstrap",
    "calibrate_intervals",
    "calibrate_sets",
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
    "evaluate_rows",
    "evaluate_slices",
    "find_metric",
    "get_metric",
    "get_task_metric",
    "group_by_length",
    "group_columns",
    "group_rows",
    "guess_baseline",
    "guessing_p_value",
    "label_predictions",
    "list_metrics",
    "newcombe",
    "pair_numbers",
    "permutation_importance",
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
    "select_columns",
    "term_importance",
    "wilson",
]

if not TYPE_CHECKING:  # else every misspelt name would be Any to a type checker
    __getattr__, __dir__ = import_when_used(
        __name__,
        {
            "baseline": (
                "GUESSES",
                "GuessBaseline",
                "guess_baseline",
                "guessing_p_value",
            ),
            "calibration": (
                "CalibrationReport",
                "Reliability",
                "evaluate_calibration",
            ),
            "conformal": (
                "Coverage",
                "IntervalCalibration",
                "calibrate_intervals",
                "calibrate_sets",
            ),
            "held_out_rows": (
                "AnyEvaluation",
                "Evaluation",
                "NumberEvaluation",
                "evaluate",
                "evaluate_predictions",
                "evaluate_rows",
            ),
            "fairness": (
                "FairnessReport",
                "check_fairlearn",
                "evaluate_fairness",
            ),
            "fairness.reweighing": (
                "compute_reweighing",
                "cross_groups",
            ),
            "groups": (
                "Grouping",
                "group_by_length",
                "group_columns",
                "group_rows",
                "select_columns",
            ),
            "importance": (
                "Importance",
                "ImportanceChange",
                "compare_importance",
                "permutation_importance",
                "term_importance",
            ),
            "intervals": (
                "Interval",
                "bootstrap",
                "newcombe",
                "wilson",
            ),
            "labelled_predictions": (
                "EvaluatedRows",
                "LabelledPredictions",
                "NumberPredictions",
                "label_predictions",
                "pair_numbers",
            ),
            "metrics": (
                "METRICS",
                "Metric",
                "NUMBER_METRICS",
                "find_metric",
                "get_metric",
                "get_task_metric",
                "list_metrics",
            ),
            "paired_comparison": (
                "compare",
                "compare_bootstrap",
                "compare_paired",
            ),
            "plots": (
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
            ),
            "resampling.comparison": ("Comparison",),
            "slice_comparison": (
                "SliceComparison",
                "compare_slices",
            ),
            "slices": (
                "Slice",
                "SliceReport",
                "evaluate_slices",
            ),
        },
    )
