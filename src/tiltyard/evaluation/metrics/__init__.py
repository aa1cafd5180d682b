"""Metrics of labels and of probabilities that know their direction: the one set that selection, gates, monitoring
and reports use.
"""

from tiltyard.evaluation.metrics.label_metrics import Values, class_f1, class_precision, class_recall
from tiltyard.evaluation.metrics.metric import (
    METRICS,
    NUMBER_METRICS,
    Metric,
    find_metric,
    get_metric,
    get_task_metric,
    list_metrics,
)
from tiltyard.evaluation.metrics.probability_metrics import CALIBRATION_BINS

__all__ = [
    "CALIBRATION_BINS",
    "METRICS",
    "NUMBER_METRICS",
    "Metric",
    "Values",
    "class_f1",
    "class_precision",
    "class_recall",
    "find_metric",
    "get_metric",
    "get_task_metric",
    "list_metrics",
]
