"""How good the recorded predictions were, as far as their labels are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.data.conform.schema import TableSchema
from tiltyard.evaluation import (
    EvaluatedRows,
    Interval,
    LabelledPredictions,
    Metric,
    SliceReport,
    bootstrap,
    evaluate_slices,
    get_metric,
    group_columns,
    list_metrics,
    newcombe,
    select_columns,
)
from tiltyard.evaluation.intervals import share_interval
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.formatting import format_number
from tiltyard.jsonable import json_form
from tiltyard.ledger.records import input_text
from tiltyard.monitoring.prediction_window import REPRESENTATIVE, PredictionWindow


@dataclass(frozen=True)
class Figure:
    """A metric of some rows.

    Attributes:
        value: the metric.
        interval: its 95 % interval; None where it was not computed.
    """

    value: float
    interval: Interval | None


@json_form(
    also=("coverage", "caveat"),
    without=("selection",),
    names={"figures": "metrics", "coverage": "label_coverage", "lag_hours": "label_lag_hours"},
)
@dataclass(frozen=True)
class Performance:
    """How the predictions of a window compare with their labels.

    Attributes:
        since: start of the window.
        until: its end.
        predictions: number of predictions.
        labelled: number of those that have a label; every figure is of these alone.
        figures: metrics with their intervals, by name.
        not_computed: metrics that are not defined on these rows, with the reason.
        lag_hours: median hours from a prediction to its label.
        selection: how the labelled predictions differ from the others, in words; empty where they do not.
        unknown_labels: labels that the version does not know, such as of classes that training set aside, and how often
            they came; no figure counts them.
        chosen_labels: number of labels that no figure counts since their predictions were chosen for a labelling queue
            because they are hard.
    """

    since: datetime | None
    until: datetime | None
    predictions: int
    labelled: int
    figures: Mapping[str, Figure]
    not_computed: Mapping[str, str] = field(default_factory=dict)
    lag_hours: float | None = None
    selection: str = ""
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    chosen_labels: int = 0

    @property
    def coverage(self) -> float:
        """Share of the predictions that have a label."""
        return self.labelled / self.predictions if self.predictions else 0.0

    @property
    def caveat(self) -> str:
        """What limits the figures, in words; empty where nothing does."""
        return " ".join(filter(None, (self._describe_coverage(), self._describe_unknown(), self._describe_chosen())))

    def _describe_coverage(self) -> str:
        if not self.labelled or self.coverage >= REPRESENTATIVE:
            return ""
        return (
            f"Only {self.labelled:,} of {self.predictions:,} predictions ({self.coverage:.1%}) have a label. Labels "
            "that come first, or for some cases only, may not represent the rest."
            + (f" {self.selection}" if self.selection else "")
        )

    def _describe_unknown(self) -> str:
        if not self.unknown_labels:
            return ""
        named = ", ".join(f"'{label:.40}' ({count:,})" for label, count in list(self.unknown_labels.items())[:5])
        outside = sum(self.unknown_labels.values())
        text = f"{outside:,} labels are of no class that the version knows, and no figure counts them: {named}."
        if "accuracy" in self.figures:
            right = self.figures["accuracy"].value * self.labelled
            text += f" With these predictions as wrong ones, accuracy is {right / (self.labelled + outside):.4f}."
        return text

    def _describe_chosen(self) -> str:
        if not self.chosen_labels:
            return ""
        return (
            f"{self.chosen_labels:,} labels do not count here: their predictions were chosen for labelling because "
            "they are uncertain or unfamiliar, and do not represent the rest."
        )


def measure_performance(window: PredictionWindow, metric: str = "accuracy", positive: str | None = None) -> Performance:
    """The performance of a window's predictions, with intervals.

    Accuracy has Wilson's interval, the other metrics of an overview and the project's own the bootstrap's; of texts
    that were sent with their groups, they are of groups. The rest have none.

    Args:
        window: the predictions.
        metric: the project's own metric.
        positive: the label that counts as positive.
    """
    rows = int(window.known.sum())
    if not rows:
        return Performance(
            window.since,
            window.until,
            len(window),
            0,
            {},
            unknown_labels=window.unknown_labels,
            chosen_labels=len(window.chosen),
        )
    labelled = window.labelled_predictions(positive)
    known_metrics = list_metrics(labelled)
    headline = TaskEvaluation.find_for_target(labelled.target).shown
    reasons = {known.name: known.explain_undefined(labelled) for known in known_metrics.values()}
    figures = {
        name: measure_metric(known_metrics[name], labelled, with_interval=name in (*headline, metric))
        for name, reason in reasons.items()
        if not reason
    }
    return Performance(
        since=window.since,
        until=window.until,
        predictions=len(window),
        labelled=rows,
        figures=figures,
        not_computed={name: reason for name, reason in reasons.items() if reason},
        lag_hours=_median_lag_hours(window),
        selection=_describe_selection(window),
        unknown_labels=window.unknown_labels,
        chosen_labels=len(window.chosen),
    )


def measure_metric(metric: Metric, labelled: EvaluatedRows, *, with_interval: bool = True) -> Figure:
    """A metric of labelled predictions; it must be defined on them."""
    value = metric.compute(labelled)
    if not with_interval:
        return Figure(value, None)
    if isinstance(labelled, LabelledPredictions) and metric.name == "accuracy":
        return Figure(value, share_interval(labelled.truth == labelled.predicted_codes, labelled.clusters))
    return Figure(value, bootstrap(metric, labelled))


def performance_by_version(
    window: PredictionWindow, metric: str = "accuracy", positive: str | None = None
) -> dict[tuple[str, str], Performance]:
    """The performance of each version and route, by (version, route)."""
    pairs = sorted({(row.version, row.route) for row in window.predictions})
    return {
        (version, route): measure_performance(
            window.take((window.versions == version) & (window.routes == route)), metric, positive
        )
        for version, route in pairs
    }


def performance_by_slice(
    window: PredictionWindow,
    columns: Sequence[str],
    metric: str = "accuracy",
    positive: str | None = None,
    schema: TableSchema | None = None,
) -> SliceReport | None:
    """The performance of the labelled predictions, slice by slice; None without labels.

    Args:
        window: the predictions.
        columns: features whose values are slices; those that the inputs do not have are ignored. Texts are also grouped
            by their number of words.
        metric: the project's own metric.
        positive: the label that counts as positive.
        schema: how the version reads the cells of inputs; None where it does not say.
    """
    if not window.known.any():
        return None
    known = window.take(window.known)
    frame = pd.DataFrame([dict(row.input) for row in known.predictions])
    sliced = select_columns(frame, [name for name in columns if name in frame], "data.slices")
    written = [input_text(row.input) for row in known.predictions]
    texts = None if None in written else pd.Series(written, dtype=str)
    groupings = group_columns(sliced, schema, texts)
    labelled = known.labelled_predictions(positive)
    chosen = get_metric(metric)
    if chosen.target != labelled.target:  # nobody named a metric of what is predicted
        chosen = get_metric(TaskEvaluation.find_for_target(labelled.target).headline)
    return evaluate_slices(labelled, groupings, chosen)


def _median_lag_hours(window: PredictionWindow) -> float:
    lags = [
        (window.truth[row.id].at - row.at).total_seconds() / 3600
        for row in window.predictions
        if row.id in window.truth
    ]
    return float(np.median(lags))


def _describe_selection(window: PredictionWindow) -> str:
    """Whether the labelled predictions differ from the others in predicted label and confidence, in words."""
    known = window.known
    if not known.any() or known.all():
        return ""
    if window.is_of_numbers:
        return _describe_numbers(window)
    differences = []
    labels, counts = np.unique(window.predicted, return_counts=True)
    commonest = labels[counts.argmax()]
    here, there = (_count_label(window.predicted[rows], commonest) for rows in (known, ~known))
    apart = newcombe(here[0], here[1], there[0], there[1], 0.99)
    if apart.low > 0 or apart.high < 0:
        differences.append(
            f"'{commonest}' was predicted in {here[0] / here[1]:.0%} of the labelled and {there[0] / there[1]:.0%} "
            "of the other cases"
        )
    labelled, others = window.confidence[known], window.confidence[~known]
    error = np.sqrt(labelled.var() / len(labelled) + others.var() / len(others))
    if error > 0 and abs(labelled.mean() - others.mean()) > 2.58 * error:
        differences.append(
            f"the mean confidence is {labelled.mean():.1%} in the labelled and {others.mean():.1%} in the others"
        )
    return f"They differ: {', and '.join(differences)}." if differences else ""


def _describe_numbers(window: PredictionWindow) -> str:
    """Whether the predicted numbers of the labelled rows differ from the others, in words."""
    numbers = np.asarray([float(row.label) if row.confidence is None else np.nan for row in window.predictions])
    here, there = (numbers[rows & np.isfinite(numbers)] for rows in (window.known, ~window.known))
    if min(len(here), len(there)) < 2:
        return ""
    error = np.sqrt(here.var() / len(here) + there.var() / len(there))
    if error <= 0 or abs(here.mean() - there.mean()) <= 2.58 * error:
        return ""
    means = (
        f"{format_number(float(here.mean()))} for the labelled and {format_number(float(there.mean()))} for the others"
    )
    return f"They differ: the mean prediction is {means}."


def _count_label(predicted: NDArray[np.str_], label: str) -> tuple[float, float]:
    """How many rows have the label, and how many rows there are."""
    return float(np.sum(predicted == label)), float(len(predicted))
