"""Metrics that know their direction.

Each is defined on weighted rows: with all weights one it is the plain metric, and m sets of weights at once are what
the bootstrap needs. Values agree with scikit-learn's functions of the same name, with ``zero_division=0``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import UsageError
from tiltyard.evaluation.labelled_predictions import (
    EvaluatedRows,
    LabelledPredictions,
    NumberPredictions,
    Weights,
)
from tiltyard.evaluation.metrics import label_metrics, number_metrics, probability_metrics
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.suggest import nearest
from tiltyard.tasks import TARGETS, TASKS, Task, TaskTarget, is_kind_of

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
        target: what the predictions are that it is defined on; those of targets that extend it too.
        worst: its value where every row is as wrong as can be; None where it has no bound.
        needs_costs: whether somebody has to state what decisions cost.
    """

    name: str
    title: str
    bigger_is_better: bool
    needs_probabilities: bool
    weighted: Callable[[Any, Weights | None], Values]
    target: TaskTarget = "class"
    worst: float | None = None
    needs_costs: bool = False

    def compute(self, labelled: EvaluatedRows) -> float:
        """The value on these rows.

        Raises:
            ValueError: it is not defined on them; the message says why.
        """
        reason = (
            self._explain_other_target(labelled)
            or self._missing_probabilities(labelled)
            or self._missing_costs(labelled)
        )
        value = np.nan if reason else float(self.weighted(labelled, None)[0])
        if np.isnan(value):
            raise ValueError(reason or _explain_undefined(labelled))
        return value

    def explain_undefined(self, labelled: EvaluatedRows) -> str:
        """Why the metric is not defined on these rows; empty if it is."""
        try:
            self.compute(labelled)
        except ValueError as error:
            return str(error)
        return ""

    def _explain_other_target(self, labelled: EvaluatedRows) -> str:
        if is_kind_of(labelled.target, self.target):
            return ""
        mine, given = (TaskEvaluation.find_for_target(target).predicted for target in (self.target, labelled.target))
        return f"it is for {mine}, and these are {given}"

    def _missing_probabilities(self, labelled: EvaluatedRows) -> str:
        if not self.needs_probabilities or isinstance(labelled, NumberPredictions):
            return ""
        if labelled.probabilities is None:
            return "needs probabilities"
        return f"the model gives no probability to {_quote_all(labelled.unknown)}" if labelled.unknown else ""

    def _missing_costs(self, labelled: EvaluatedRows) -> str:
        if not self.needs_costs or isinstance(labelled, NumberPredictions):
            return ""
        if labelled.costs is None or labelled.prices is None:
            return "decision.costs states no costs"
        unpriced = [name for name in labelled.classes if name not in labelled.prices.classes]
        return f"no cost is stated for {_quote_all(unpriced)}" if np.isnan(labelled.costs).any() else ""


def list_metrics(labelled: EvaluatedRows) -> dict[str, Metric]:
    """The metrics of what was predicted, by name; those of costs where somebody states some."""
    priced = isinstance(labelled, LabelledPredictions) and labelled.costs is not None
    known = TaskEvaluation.find_for_target(labelled.target).metrics
    return {name: metric for name, metric in known.items() if priced or not metric.needs_costs}


def get_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UsageError: there is none; it names the nearest.
    """
    found = find_metric(name)
    if found is None:
        raise UsageError(
            f"There is no metric '{name}'.{nearest(name, _list_known())}",
            next_step=f"Metrics: {'; '.join(map(_describe_target, TARGETS))}.",
            code="metric.unknown",
        )
    return found


def find_metric(name: str) -> Metric | None:
    """The metric of that name; None for another figure, such as a time."""
    return _list_known().get(name)


def get_task_metric(name: str, task: Task) -> Metric:
    """The metric of that name, which is defined on what the task predicts.

    Raises:
        UsageError: there is none, or it is for another kind of target (``metric.other-target``).
    """
    metric = get_metric(name)
    target = TASKS[task].target
    if not is_kind_of(target, metric.target):
        fitting = TaskEvaluation.find_for_target(target).metrics
        given = TaskEvaluation.find_for_target(metric.target).predicted
        raise UsageError(
            f"The metric '{name}' is for {given}, and this project is {task}.",
            next_step=f"Metrics: {', '.join(fitting)}.",
            code="metric.other-target",
        )
    return metric


@cache
def _list_known() -> Mapping[str, Metric]:
    """The metrics of all targets, by name."""
    return {name: one for target in TARGETS for name, one in TaskEvaluation.find_for_target(target).metrics.items()}


def _describe_target(target: TaskTarget) -> str:
    """The metrics that a target adds to those of the one it extends, in words."""
    part, base = TaskEvaluation.find_for_target(target), TARGETS[target].extends
    inherited = {} if base is None else TaskEvaluation.find_for_target(base).metrics
    names = ", ".join(name for name in part.metrics if name not in inherited)
    return f"of {part.predicted}: {names}"


def _explain_undefined(labelled: EvaluatedRows) -> str:
    if isinstance(labelled, NumberPredictions):
        if (labelled.truth == 0).any():
            return "a true number is 0"
        return "all true numbers are the same"
    present = set(np.unique(labelled.truth).tolist())
    absent = [label for code, label in enumerate(labelled.classes) if code not in present]
    return f"no row has the label {_quote_all(absent)}" if absent else "it divides nothing by nothing"


def _quote_all(labels: list[str] | tuple[str, ...]) -> str:
    return ", ".join(repr(label) for label in labels)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy", True, False, label_metrics.accuracy, worst=0.0),
        Metric("balanced_accuracy", "Balanced accuracy", True, False, label_metrics.balanced_accuracy, worst=0.0),
        Metric("precision", "Precision", True, False, label_metrics.precision, worst=0.0),
        Metric("recall", "Recall", True, False, label_metrics.recall, worst=0.0),
        Metric("f1", "F1", True, False, label_metrics.f1, worst=0.0),
        Metric("precision_macro", "Precision, mean of classes", True, False, label_metrics.precision_macro, worst=0.0),
        Metric("recall_macro", "Recall, mean of classes", True, False, label_metrics.recall_macro, worst=0.0),
        Metric("f1_macro", "F1, mean of classes", True, False, label_metrics.f1_macro, worst=0.0),
        Metric(
            "precision_weighted",
            "Precision, weighted by class size",
            True,
            False,
            label_metrics.precision_weighted,
            worst=0.0,
        ),
        Metric(
            "recall_weighted", "Recall, weighted by class size", True, False, label_metrics.recall_weighted, worst=0.0
        ),
        Metric("f1_weighted", "F1, weighted by class size", True, False, label_metrics.f1_weighted, worst=0.0),
        Metric("matthews", "Matthews correlation", True, False, label_metrics.matthews, worst=-1.0),
        Metric("roc_auc", "Area under the ROC curve", True, True, probability_metrics.roc_auc, worst=0.0),
        Metric("pr_auc", "Average precision", True, True, probability_metrics.pr_auc, worst=0.0),
        Metric("log_loss", "Log loss", False, True, probability_metrics.log_loss),
        Metric("brier", "Brier score", False, True, probability_metrics.brier, worst=1.0),
        Metric("calibration_error", "Calibration error", False, True, probability_metrics.calibration_error, worst=1.0),
    )
}
"""The metrics of predicted classes, by name."""

COST_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (Metric("mean_cost", "Mean cost", False, True, label_metrics.mean_cost, needs_costs=True),)
}
"""The metrics of what decisions cost, by name; they are defined where ``decision.costs`` states costs."""

NUMBER_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("mae", "Mean absolute error", False, False, number_metrics.mean_absolute_error, "number"),
        Metric("rmse", "Root mean squared error", False, False, number_metrics.root_mean_squared_error, "number"),
        Metric("r2", "Explained share of the variance (R²)", True, False, number_metrics.explained_share, "number"),
        Metric("mape", "Mean absolute percentage error", False, False, number_metrics.mean_percentage_error, "number"),
        *(
            Metric(
                f"pinball_{percent}",
                f"Pinball loss at the {percent} % quantile",
                False,
                False,
                number_metrics.pinball_loss(percent / 100),
                "number",
            )
            for percent in (10, 50, 90)
        ),
    )
}
"""The metrics of predicted numbers, by name."""
