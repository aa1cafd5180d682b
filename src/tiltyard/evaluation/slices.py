"""Evaluation on parts of the rows: by the values of columns and, for texts, by length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.groups import Group, Grouping
from tiltyard.evaluation.intervals import Interval, bootstrap, newcombe, share_interval
from tiltyard.evaluation.labelled_predictions import Codes, EvaluatedRows, NumberPredictions, number_clusters
from tiltyard.evaluation.metrics import METRICS, NUMBER_METRICS, Metric, list_metrics
from tiltyard.evaluation.resampling.by_group import CONFIDENCE, effective_sample_size, effective_share_size
from tiltyard.jsonable import json_form

# With fewer rows a figure says next to nothing: the interval of an accuracy is wider than a quarter.
FEWEST_ROWS = 30


@dataclass(frozen=True)
class Slice:
    """How the predictions of some rows compare with the true labels.

    Attributes:
        column: the column by which the rows were divided.
        title: what the rows share, for people.
        key: name for metrics, ``column.value``.
        rows: number of rows.
        could_judge: whether there are 30 rows, and not of one group alone; otherwise the figures are shown but nothing
            follows from them.
        metrics: value by metric name, as far as defined on these rows.
        not_computed: why the other metrics are not.
        intervals: 95 % intervals: Wilson's of the accuracy, and the bootstrap's of the project's metric where that is
            another, it is defined and there are rows enough; of numbers the bootstrap's of the mean absolute error.
        lead: accuracy here less the accuracy of all other rows (of numbers, by how much the mean absolute error is less
            here); None where there are no others.
        lead_interval: Newcombe's interval of it (of numbers Welch's, of a normal mean), wide enough to hold for all
            slices of the column at once (Bonferroni).
        worse: whether that interval lies below 0, so that chance alone would hardly explain it.
    """

    column: str
    title: str
    key: str
    rows: int
    could_judge: bool
    metrics: Mapping[str, float]
    not_computed: Mapping[str, str]
    intervals: Mapping[str, Interval]
    lead: float | None
    lead_interval: Interval | None
    worse: bool


@json_form(constants={"confidence": CONFIDENCE, "fewest_rows": FEWEST_ROWS})
@dataclass(frozen=True)
class SliceReport:
    """All slices, column by column; a row is in one slice of each column.

    Attributes:
        metric: the metric by which the project compares versions.
        overall: its value and that of ``base`` on all rows, by metric name.
        slices: the slices, in the order of their columns and values.
        base: the metric by which a slice is compared with the other rows: ``accuracy``, of numbers ``mae``.
    """

    metric: str
    overall: Mapping[str, float]
    slices: tuple[Slice, ...]
    base: str = "accuracy"

    @property
    def metrics(self) -> dict[str, float]:
        """For a run: rows of each slice, and of those with enough rows the base and the project's metric."""
        found: dict[str, float] = {}
        for part in self.slices:
            found[f"slice.{part.key}.rows"] = part.rows
            for name in dict.fromkeys((self.base, self.metric)):
                if part.could_judge and name in part.metrics:
                    found[f"slice.{part.key}.{name}"] = part.metrics[name]
        return found

    @property
    def worse(self) -> tuple[Slice, ...]:
        """The slices that are worse than the rest by more than chance, the worst first."""
        return tuple(sorted((part for part in self.slices if part.worse), key=lambda part: part.lead or 0.0))


def evaluate_slices(
    labelled: EvaluatedRows, groupings: Sequence[Grouping], metric: Metric, *, seed: int = 0
) -> SliceReport:
    """Evaluate predictions slice by slice.

    Args:
        labelled: n labelled predictions.
        groupings: ways to divide these rows.
        metric: the metric by which the project compares versions.
        seed: of the bootstrap.

    Where rows belong together (``labelled.clusters``), all intervals are by groups.
    """
    slices = [
        _evaluate_slice(labelled, grouping, group, code, metric, seed)
        for grouping in groupings
        for code, group in enumerate(grouping.groups)
    ]
    base = _find_base(labelled)
    overall = {
        wanted.name: wanted.compute(labelled) for wanted in (base, metric) if not wanted.explain_undefined(labelled)
    }
    return SliceReport(metric.name, overall, tuple(slices), base.name)


def _find_base(labelled: EvaluatedRows) -> Metric:
    return NUMBER_METRICS["mae"] if isinstance(labelled, NumberPredictions) else METRICS["accuracy"]


def _evaluate_slice(
    labelled: EvaluatedRows, grouping: Grouping, group: Group, code: int, metric: Metric, seed: int
) -> Slice:
    inside = grouping.codes == code
    rows = labelled.take(inside)
    known, base = list_metrics(labelled), _find_base(labelled)
    could_judge = len(rows) >= FEWEST_ROWS and rows.cluster_count != 1
    reasons = {wanted.name: wanted.explain_undefined(rows) for wanted in known.values()}
    intervals: dict[str, Interval] = {}
    if isinstance(labelled, NumberPredictions):
        scores = -np.abs(labelled.errors)
        lead, lead_interval = _lead_of_numbers(scores, inside, labelled.clusters, len(grouping.groups))
    else:
        right = labelled.truth == labelled.predicted_codes
        intervals[base.name] = share_interval(right[inside], rows.clusters)
        lead, lead_interval = _lead(right, inside, labelled.clusters, len(grouping.groups))
    for wanted in (base, metric):
        if wanted.name not in intervals and could_judge and not reasons[wanted.name]:
            interval = bootstrap(wanted, rows, seed=seed)
            if interval is not None:
                intervals[wanted.name] = interval
    return Slice(
        column=grouping.column,
        title=group.title,
        key=f"{grouping.key}.{group.key}",
        rows=len(rows),
        could_judge=could_judge,
        metrics={name: known[name].compute(rows) for name, reason in reasons.items() if not reason},
        not_computed={name: reason for name, reason in reasons.items() if reason},
        intervals=intervals,
        lead=lead,
        lead_interval=lead_interval,
        worse=could_judge and lead_interval is not None and lead_interval.high < 0,
    )


def _lead(
    right: NDArray[np.bool_], inside: NDArray[np.bool_], clusters: Codes | None, slices: int
) -> tuple[float | None, Interval | None]:
    here, there = right[inside], right[~inside]
    if len(there) == 0:
        return None, None
    confidence = 1 - (1 - CONFIDENCE) / slices
    rows, others = (
        effective_share_size(right[side], None if clusters is None else number_clusters(clusters[side])).at(confidence)
        for side in (inside, ~inside)
    )
    interval = newcombe(float(here.mean()) * rows, rows, float(there.mean()) * others, others, confidence)
    return float(here.mean() - there.mean()), interval


def _lead_of_numbers(
    scores: NDArray[np.float64], inside: NDArray[np.bool_], clusters: Codes | None, slices: int
) -> tuple[float | None, Interval | None]:
    """The mean score here less that of all other rows, and Welch's interval of it."""
    here, there = scores[inside], scores[~inside]
    if len(there) == 0:
        return None, None
    lead = float(here.mean() - there.mean())
    confidence = 1 - (1 - CONFIDENCE) / slices
    variance = 0.0
    for side, values in ((inside, here), (~inside, there)):
        codes = None if clusters is None else number_clusters(clusters[side])
        rows = effective_sample_size(values, codes).at(confidence) if codes is not None else len(values)
        if rows < 2:
            return lead, None
        variance += float(np.var(values, ddof=1)) / rows
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance)
    return lead, Interval(lead - reach, lead + reach)
