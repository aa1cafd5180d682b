"""How good the recorded answers were, as far as the truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tiltyard.evaluation import (
    METRICS,
    Interval,
    LabelledPredictions,
    Metric,
    SliceReport,
    bootstrap,
    columns_of,
    evaluate_slices,
    group_by_length,
    group_rows,
    newcombe,
    wilson,
)
from tiltyard.monitoring.prediction_window import PredictionWindow

HEADLINE = ("accuracy", "precision", "recall", "f1", "f1_macro", "roc_auc", "log_loss")
"""Metrics that are given an interval; the project's own is added."""

REPRESENTATIVE = 0.95
"""Label coverage from which on the labelled rows are taken for all rows."""


@dataclass(frozen=True)
class Figure:
    """A metric of some rows.

    Attributes:
        value: the metric.
        interval: where it lies with a confidence of 95 %; None where that cannot be said.
    """

    value: float
    interval: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {"value": self.value, "interval": self.interval.to_list() if self.interval else None}


@dataclass(frozen=True)
class Performance:
    """How the answers of a window compare with the truth.

    Attributes:
        since: start of the window.
        until: its end.
        predictions: number of answers.
        labelled: number of those whose truth is known; every figure is of these alone.
        figures: metrics with their intervals, by name.
        not_computed: metrics that are not defined on these rows, with the reason.
        lag_hours: median hours from an answer to its label.
        selection: how the answers that were labelled differ from the others, in words; empty where they do not.
    """

    since: datetime | None
    until: datetime | None
    predictions: int
    labelled: int
    figures: Mapping[str, Figure]
    not_computed: Mapping[str, str] = field(default_factory=dict)
    lag_hours: float | None = None
    selection: str = ""

    @property
    def coverage(self) -> float:
        """Share of the answers whose truth is known."""
        return self.labelled / self.predictions if self.predictions else 0.0

    @property
    def caveat(self) -> str:
        """What a reader must know before trusting the figures; empty where there is nothing."""
        if not self.labelled or self.coverage >= REPRESENTATIVE:
            return ""
        return (
            f"Only {self.labelled:,} of {self.predictions:,} answers ({self.coverage:.1%}) have a label. Labels that "
            "come first, or for some cases only, need not stand for the rest."
            + (f" {self.selection}" if self.selection else "")
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "since": self.since,
            "until": self.until,
            "predictions": self.predictions,
            "labelled": self.labelled,
            "label_coverage": self.coverage,
            "label_lag_hours": self.lag_hours,
            "metrics": {name: figure.to_dict() for name, figure in self.figures.items()},
            "not_computed": dict(self.not_computed),
            "caveat": self.caveat,
        }


def measure_performance(window: PredictionWindow, metric: str = "accuracy", positive: str | None = None) -> Performance:
    """The performance of a window's answers, with intervals.

    Shares of rows have Wilson's interval; all other metrics the bootstrap's. Metrics outside of ``HEADLINE`` come
    without one.

    Args:
        window: the answers.
        metric: the project's own metric.
        positive: the label that counts as positive.
    """
    rows = int(window.known.sum())
    if not rows:
        return Performance(window.since, window.until, len(window), 0, {})
    facts = window.judged(positive)
    reasons = {known.name: known.undefined(facts) for known in METRICS.values()}
    figures = {
        name: figure_of(METRICS[name], facts, with_interval=name in (*HEADLINE, metric))
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
        lag_hours=_lag_hours(window),
        selection=_selection(window),
    )


def figure_of(metric: Metric, facts: LabelledPredictions, *, with_interval: bool = True) -> Figure:
    """A metric of judged rows; it must be defined on them."""
    value = metric.compute(facts)
    if not with_interval:
        return Figure(value, None)
    if metric.name == "accuracy":
        return Figure(value, wilson(float(np.sum(facts.truth == facts.guess)), len(facts)))
    return Figure(value, bootstrap(metric, facts))


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
    window: PredictionWindow, columns: Sequence[str], metric: str = "accuracy", positive: str | None = None
) -> SliceReport | None:
    """The performance slice by slice of the answers whose truth is known; None where it is known of none.

    Args:
        window: the answers.
        columns: features whose values are slices; those that the inputs do not hold are passed over. For texts the
            number of words is one of its own.
        metric: the project's own metric.
        positive: the label that counts as positive.
    """
    if not window.known.any():
        return None
    labelled = window.take(window.known)
    frame = pd.DataFrame([dict(row.input) for row in labelled.predictions])
    groupings = [group_rows(column) for column in columns_of(frame, [c for c in columns if c in frame], "data.slices")]
    if list(frame.columns) == ["text"]:
        groupings.append(group_by_length(frame["text"].astype(str)))
    return evaluate_slices(labelled.judged(positive), groupings, METRICS[metric])


def _lag_hours(window: PredictionWindow) -> float:
    lags = [
        (window.truth[row.id].at - row.at).total_seconds() / 3600
        for row in window.predictions
        if row.id in window.truth
    ]
    return float(np.median(lags))


def _selection(window: PredictionWindow) -> str:
    """Whether the labelled answers differ from the others in what was answered and how sure it was."""
    known = window.known
    if not known.any() or known.all():
        return ""
    told = []
    labels, counts = np.unique(window.predicted, return_counts=True)
    commonest = labels[counts.argmax()]
    here, there = _share(window.predicted[known], commonest), _share(window.predicted[~known], commonest)
    apart = newcombe(here[0], here[1], there[0], there[1], 0.99)
    if apart.low > 0 or apart.high < 0:
        told.append(
            f"'{commonest}' was answered in {here[0] / here[1]:.0%} of the labelled and {there[0] / there[1]:.0%} "
            "of the other cases"
        )
    sure, unsure = window.confidence[known], window.confidence[~known]
    error = np.sqrt(sure.var() / len(sure) + unsure.var() / len(unsure))
    if error > 0 and abs(sure.mean() - unsure.mean()) > 2.58 * error:
        told.append(f"the mean confidence is {sure.mean():.1%} in the labelled and {unsure.mean():.1%} in the others")
    return f"They differ: {', and '.join(told)}." if told else ""


def _share(predicted: NDArray[np.str_], label: str) -> tuple[float, float]:
    return float(np.sum(predicted == label)), float(len(predicted))
