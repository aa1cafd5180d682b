"""Whether the errors of predicted numbers are alike for groups of people, and whether intervals hold as often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.conformal.number_intervals import IntervalCalibration
from tiltyard.evaluation.fairness.report import (
    ColumnFairness,
    Disparity,
    FairnessReport,
    GroupRates,
    LabelFairness,
    Rate,
    compute_difference,
    compute_rate,
)
from tiltyard.evaluation.groups import Grouping
from tiltyard.evaluation.intervals import bootstrap
from tiltyard.evaluation.labelled_predictions import NumberPredictions
from tiltyard.evaluation.metrics import get_metric
from tiltyard.evaluation.slices import FEWEST_ROWS

MAE, COVERAGE = "mae", "coverage"


def evaluate_error_fairness(
    labelled: NumberPredictions, groupings: Sequence[Grouping], intervals: IntervalCalibration | None
) -> FairnessReport:
    """Compare the errors of groups, and how often the intervals of their numbers hold the true one.

    ``mae_ratio`` is the mean absolute error of the group that is predicted best, as a share of that of the group
    predicted worst: 1 is equal. ``coverage_difference`` is that of the greatest and the least share of true numbers
    inside the intervals, with Newcombe's interval (as of ``evaluate_fairness``). A group of fewer than 30 rows is shown
    and left out of the measures.

    Args:
        labelled: n labelled numbers.
        groupings: sensitive ways to divide these rows.
        intervals: what makes the intervals; None where the version has none, and no coverage is compared.
    """
    inside = None
    if intervals is not None:
        ends = intervals.make_intervals(labelled.predicted)
        inside = np.asarray((ends[:, 0] <= labelled.truth) & (labelled.truth <= ends[:, 1]), dtype=np.bool_)
    columns = []
    for grouping in groupings:
        groups = tuple(_describe_group(labelled, grouping, place, inside) for place in range(len(grouping.groups)))
        found = {"mae_ratio": _compare_errors(groups)}
        if inside is not None:
            found["coverage_difference"] = compute_difference(groups, COVERAGE, 1)
        else:
            found["coverage_difference"] = "the version has no intervals"
        measures = {name: measure for name, measure in found.items() if isinstance(measure, Disparity)}
        reasons = {name: measure for name, measure in found.items() if isinstance(measure, str)}
        columns.append(ColumnFairness(grouping.column, grouping.key, (LabelFairness("", groups, measures, reasons),)))
    return FairnessReport(tuple(columns))


def _describe_group(
    labelled: NumberPredictions, grouping: Grouping, place: int, inside: NDArray[np.bool_] | None
) -> GroupRates:
    chosen = np.asarray(grouping.codes == place, dtype=np.bool_)
    group, rows = grouping.groups[place], int(chosen.sum())
    part, mae = labelled.take(chosen), get_metric(MAE)
    interval = bootstrap(mae, part) if rows else None
    rates: dict[str, Rate] = {}
    if interval is not None:
        rates[MAE] = Rate(mae.compute(part), rows, interval, could_judge=rows >= FEWEST_ROWS)
    if inside is not None and rows:
        rates[COVERAGE] = compute_rate(float(inside[chosen].mean()), inside, chosen, labelled.clusters)
    return GroupRates(group.title, group.key, rows, rates)


def _compare_errors(groups: Sequence[GroupRates]) -> Disparity | str:
    known = [(group.title, group.rates[MAE]) for group in groups if MAE in group.rates]
    compared = [(rate.value or 0.0, title) for title, rate in known if rate.could_judge]
    if len(compared) < 2:
        return f"fewer than two groups have the {FEWEST_ROWS} rows that a mean error needs"
    (least, best), (most, worst) = min(compared), max(compared)
    return Disparity(least / most if most else 1.0, worst, best, None)
