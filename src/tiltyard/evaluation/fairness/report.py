"""Whether groups of people are treated alike, by fairlearn's measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import MissingExtraError
from tiltyard.evaluation.groups import Grouping
from tiltyard.evaluation.intervals import Interval, newcombe, wilson
from tiltyard.evaluation.labelled_predictions import Codes, LabelledPredictions, number_clusters
from tiltyard.evaluation.resampling.by_group import CONFIDENCE, EffectiveSample, effective_share_size
from tiltyard.evaluation.slices import FEWEST_ROWS
from tiltyard.jsonable import to_json_object, to_jsonable

EXTRA = "fairness"

MEASURES = (
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "mae_ratio",
    "coverage_difference",
)


@dataclass(frozen=True)
class Rate:
    """A share of some rows of a group.

    Attributes:
        value: the share; None where there is no such row.
        rows: the rows that it is a share of.
        interval: Wilson's 95 % interval, by groups where rows belong together.
        could_judge: whether there are 30 rows, and not of one group alone; otherwise the rate is shown but left out of
            the measures.
    """

    value: float | None
    rows: int
    interval: Interval
    could_judge: bool
    _worth: EffectiveSample | None = field(default=None, compare=False, repr=False)

    def count_effective(self, confidence: float) -> float:
        """So many rows by themselves would tell the rate as well, in an interval of that confidence."""
        return float(self.rows) if self._worth is None else self._worth.at(confidence)


@dataclass(frozen=True)
class GroupRates:
    """How one group is treated.

    Attributes:
        title: what the group shares.
        key: the same for metrics.
        rows: its size.
        rates: ``selection_rate`` (of all, the share for which the label is predicted), ``true_positive_rate`` (of those
            whose label it is), ``false_positive_rate`` (of the others) and ``accuracy``; of numbers ``mae``, and
            ``coverage`` of their intervals.
    """

    title: str
    key: str
    rows: int
    rates: Mapping[str, Rate]


@dataclass(frozen=True)
class Disparity:
    """How far two groups are apart in one measure.

    Attributes:
        value: the difference (0 is equal) or the ratio (1 is equal).
        most: title of the group with the greatest rate.
        least: title of the group with the least.
        interval: Newcombe's 95 % interval of the difference between these two, for all pairs of groups and all labels
            together (Bonferroni): of many groups alike, some two are far apart by chance. None for a ratio.
    """

    value: float
    most: str
    least: str
    interval: Interval | None


@dataclass(frozen=True)
class LabelFairness:
    """How groups are treated in respect of one label.

    Attributes:
        label: the label that is predicted or not; empty for numbers.
        groups: the groups with their rates.
        measures: disparity by measure, over the groups whose rates stand on 30 rows.
        not_judged: why the other measures could not be evaluated.
    """

    label: str
    groups: tuple[GroupRates, ...]
    measures: Mapping[str, Disparity]
    not_judged: Mapping[str, str]


@dataclass(frozen=True)
class ColumnFairness:
    """How the groups of one sensitive column are treated.

    Attributes:
        column: the column.
        key: the same for metrics.
        labels: the positive label alone where there are two, else every label against the rest.
    """

    column: str
    key: str
    labels: tuple[LabelFairness, ...]

    @property
    def worst(self) -> dict[str, tuple[str, Disparity]]:
        """Of each measure the label in respect of which the groups are farthest apart, and how far."""
        found: dict[str, tuple[str, Disparity]] = {}
        for name in MEASURES:
            known = [(part.label, part.measures[name]) for part in self.labels if name in part.measures]
            if known:
                sign = -1 if name.endswith("ratio") else 1
                found[name] = max(known, key=lambda pair: sign * pair[1].value)
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        worst = {name: {"label": label, **to_json_object(found)} for name, (label, found) in self.worst.items()}
        return {"column": self.column, "worst": worst, "labels": to_jsonable(self.labels)}


@dataclass(frozen=True)
class FairnessReport:
    """How the groups of all sensitive columns are treated."""

    columns: tuple[ColumnFairness, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """For a run: ``fairness.COLUMN.MEASURE``; with more than two labels that of the worst label."""
        return {
            f"fairness.{column.key}.{name}": found.value
            for column in self.columns
            for name, (_, found) in column.worst.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "confidence": CONFIDENCE,
            "fewest_rows": FEWEST_ROWS,
            "columns": {column.column: column.to_dict() for column in self.columns},
        }


def check_fairlearn() -> None:
    """Check that fairness can be evaluated here.

    Raises:
        MissingExtraError: fairlearn is not installed.
    """
    try:
        import fairlearn.metrics  # noqa: F401, PLC0415 - imported when first used
    except ImportError:
        raise MissingExtraError("Evaluating fairness (data.sensitive)", EXTRA) from None


def evaluate_fairness(labelled: LabelledPredictions, groupings: Sequence[Grouping]) -> FairnessReport:
    """Evaluate how groups are treated, by fairlearn.

    Demographic parity: the label is predicted equally often for all groups. Equal opportunity: to those whose label it
    is (Hardt, Price and Srebro, 2016). Equalised odds: to those and to the others. A difference is that of the greatest
    and the least rate; of equalised odds the greater one of true and of false positive rates. With two labels all is
    about the positive one; with more, every label is compared with the rest.

    A rate that stands on fewer than 30 rows is shown with its interval and left out of the measures, for the least and
    the greatest of many rates would otherwise be that of the smallest group. Where nothing is left out, the measures
    are those of fairlearn's functions of the same name.

    Args:
        labelled: n labelled predictions.
        groupings: sensitive ways to divide these rows.

    Raises:
        MissingExtraError: fairlearn is not installed.
    """
    check_fairlearn()
    codes = [labelled.positive_code] if labelled.binary else range(len(labelled.classes))
    return FairnessReport(
        tuple(
            ColumnFairness(
                grouping.column,
                grouping.key,
                tuple(_label_fairness(labelled, grouping, code, len(codes)) for code in codes),
            )
            for grouping in groupings
        )
    )


def _label_fairness(labelled: LabelledPredictions, grouping: Grouping, code: int, labels: int) -> LabelFairness:
    groups = _groups(labelled.truth == code, labelled.predicted_codes == code, grouping, labelled.clusters)
    found = _measures(groups, labels)
    return LabelFairness(
        label=labelled.classes[code],
        groups=groups,
        measures={name: measure for name, measure in found.items() if isinstance(measure, Disparity)},
        not_judged={name: measure for name, measure in found.items() if isinstance(measure, str)},
    )


def _groups(
    truth: NDArray[np.bool_], predicted: NDArray[np.bool_], grouping: Grouping, clusters: Codes | None
) -> tuple[GroupRates, ...]:
    k = len(grouping.groups)
    sizes = np.bincount(grouping.codes, minlength=k)
    right = np.bincount(grouping.codes, weights=truth == predicted, minlength=k)
    rates = {**_fairlearn_rates(truth, predicted, grouping.codes), "accuracy": right / sizes}
    everyone = np.ones(len(truth), dtype=np.bool_)
    of = {
        "selection_rate": (everyone, predicted),
        "true_positive_rate": (truth, predicted),
        "false_positive_rate": (~truth, predicted),
        "accuracy": (everyone, truth == predicted),
    }
    return tuple(
        GroupRates(
            title=group.title,
            key=group.key,
            rows=int(sizes[position]),
            rates={
                name: compute_rate(
                    float(values[position]), of[name][1], of[name][0] & (grouping.codes == position), clusters
                )
                for name, values in rates.items()
            },
        )
        for position, group in enumerate(grouping.groups)
    )


def _fairlearn_rates(
    truth: NDArray[np.bool_], predicted: NDArray[np.bool_], codes: NDArray[np.intp]
) -> dict[str, NDArray[np.float64]]:
    """Each rate of every group."""
    from fairlearn.metrics import (  # noqa: PLC0415
        MetricFrame,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )

    # Rows of the same group, label and prediction are the same to the rates: they are counted, not repeated.
    cells, counts = np.unique(codes * 4 + truth * 2 + predicted, return_counts=True)
    functions = {
        "selection_rate": selection_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
    }
    frame = MetricFrame(
        metrics=functions,
        y_true=cells // 2 % 2,
        y_pred=cells % 2,
        sensitive_features=cells // 4,
        sample_params={name: {"sample_weight": counts} for name in functions},
    )
    by_group = frame.by_group.sort_index()
    return {name: by_group[name].to_numpy(dtype=np.float64) for name in functions}


def compute_rate(value: float, hits: NDArray[np.bool_], inside: NDArray[np.bool_], clusters: Codes | None) -> Rate:
    """The rate of ``hits`` among the rows ``inside``."""
    rows = int(np.count_nonzero(inside))
    if not rows:
        return Rate(None, 0, wilson(0, 0), could_judge=False)
    codes = None if clusters is None else number_clusters(clusters[inside])
    worth = effective_share_size(hits[inside], codes)
    effective = worth.at(CONFIDENCE)
    could_judge = rows >= FEWEST_ROWS and effective > 0
    return Rate(value, rows, wilson(value * effective, effective), could_judge, worth)


def _measures(groups: Sequence[GroupRates], labels: int) -> dict[str, Disparity | str]:
    """Every measure, or the reason why it could not be evaluated."""
    selected = compute_difference(groups, "selection_rate", labels)
    found = compute_difference(groups, "true_positive_rate", labels)
    blamed = compute_difference(groups, "false_positive_rate", labels)
    both = [found, blamed]
    reasons = [measure for measure in both if isinstance(measure, str)]
    odds = [measure for measure in both if isinstance(measure, Disparity)]
    return {
        "demographic_parity_difference": selected,
        "demographic_parity_ratio": _ratio(groups, selected),
        "equal_opportunity_difference": found,
        "equalized_odds_difference": reasons[0] if reasons else max(odds, key=lambda measure: measure.value),
    }


def compute_difference(groups: Sequence[GroupRates], rate: str, labels: int) -> Disparity | str:
    """How far the groups are apart in a rate, or why that could not be evaluated.

    Args:
        groups: the groups with their rates.
        rate: the name of the rate.
        labels: how many labels are looked at together.
    """
    known = [(group, group.rates[rate]) for group in groups if group.rates[rate].could_judge]
    if len(known) < 2:
        return f"fewer than two groups have the {FEWEST_ROWS} rows that a {rate.replace('_', ' ')} needs"
    ordered = sorted(known, key=lambda pair: pair[1].value or 0.0)
    (least, low), (most, high) = ordered[0], ordered[-1]
    top, bottom = high.value or 0.0, low.value or 0.0
    comparisons = labels * len(known) * (len(known) - 1) / 2
    confidence = 1 - (1 - CONFIDENCE) / comparisons
    rows, others = high.count_effective(confidence), low.count_effective(confidence)
    interval = newcombe(top * rows, rows, bottom * others, others, confidence)
    return Disparity(top - bottom, most.title, least.title, interval)


def _ratio(groups: Sequence[GroupRates], difference: Disparity | str) -> Disparity | str:
    if isinstance(difference, str):
        return difference
    rates = {group.title: group.rates["selection_rate"].value or 0.0 for group in groups}
    if rates[difference.most] == 0:
        return "the label is predicted for no row"
    return Disparity(rates[difference.least] / rates[difference.most], difference.most, difference.least, None)
