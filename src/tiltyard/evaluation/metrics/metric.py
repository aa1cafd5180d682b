"""Metrics that know their direction.

Each is defined on weighted rows: with all weights one it is the plain metric, and m sets of weights at once are what
the bootstrap needs. Values agree with scikit-learn's functions of the same name, with ``zero_division=0``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import UsageError
from tiltyard.evaluation.labelled_predictions import LabelledPredictions, Weights
from tiltyard.evaluation.metrics import label_metrics, probability_metrics
from tiltyard.suggest import nearest

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A figure of merit.

    Attributes:
        name: as the project file calls it.
        title: for people.
        bigger_is_better: its direction: whether larger values are better.
        needs_probabilities: whether labels alone are not enough.
        weighted: from n labelled rows and (m, n) weights to m values, NaN where it is not defined.
    """

    name: str
    title: str
    bigger_is_better: bool
    needs_probabilities: bool
    weighted: Callable[[LabelledPredictions, Weights | None], Values]

    def compute(self, labelled: LabelledPredictions) -> float:
        """The value on these rows.

        Raises:
            ValueError: it is not defined on them; the message says why.
        """
        reason = self._missing_probabilities(labelled)
        value = np.nan if reason else float(self.weighted(labelled, None)[0])
        if np.isnan(value):
            raise ValueError(reason or _explain_undefined(labelled))
        return value

    def explain_undefined(self, labelled: LabelledPredictions) -> str:
        """Why the metric is not defined on these rows; empty if it is."""
        try:
            self.compute(labelled)
        except ValueError as error:
            return str(error)
        return ""

    def _missing_probabilities(self, labelled: LabelledPredictions) -> str:
        if not self.needs_probabilities:
            return ""
        if labelled.probabilities is None:
            return "needs probabilities"
        return f"the model gives no probability to {_quote_all(labelled.unknown)}" if labelled.unknown else ""


def get_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UsageError: there is none; it names the nearest.
    """
    if name not in METRICS:
        raise UsageError(
            f"There is no metric '{name}'.{nearest(name, METRICS)}",
            next_step=f"Metrics: {', '.join(METRICS)}.",
            code="metric.unknown",
        )
    return METRICS[name]


def _explain_undefined(labelled: LabelledPredictions) -> str:
    present = set(np.unique(labelled.truth).tolist())
    absent = [label for code, label in enumerate(labelled.classes) if code not in present]
    return f"no row has the label {_quote_all(absent)}" if absent else "it divides nothing by nothing"


def _quote_all(labels: list[str] | tuple[str, ...]) -> str:
    return ", ".join(repr(label) for label in labels)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy", True, False, label_metrics.accuracy),
        Metric("balanced_accuracy", "Balanced accuracy", True, False, label_metrics.balanced_accuracy),
        Metric("precision", "Precision", True, False, label_metrics.precision),
        Metric("recall", "Recall", True, False, label_metrics.recall),
        Metric("f1", "F1", True, False, label_metrics.f1),
        Metric("precision_macro", "Precision, mean of classes", True, False, label_metrics.precision_macro),
        Metric("recall_macro", "Recall, mean of classes", True, False, label_metrics.recall_macro),
        Metric("f1_macro", "F1, mean of classes", True, False, label_metrics.f1_macro),
        Metric(
            "precision_weighted", "Precision, weighted by class size", True, False, label_metrics.precision_weighted
        ),
        Metric("recall_weighted", "Recall, weighted by class size", True, False, label_metrics.recall_weighted),
        Metric("f1_weighted", "F1, weighted by class size", True, False, label_metrics.f1_weighted),
        Metric("matthews", "Matthews correlation", True, False, label_metrics.matthews),
        Metric("roc_auc", "Area under the ROC curve", True, True, probability_metrics.roc_auc),
        Metric("pr_auc", "Average precision", True, True, probability_metrics.pr_auc),
        Metric("log_loss", "Log loss", False, True, probability_metrics.log_loss),
        Metric("brier", "Brier score", False, True, probability_metrics.brier),
        Metric("calibration_error", "Calibration error", False, True, probability_metrics.calibration_error),
    )
}
