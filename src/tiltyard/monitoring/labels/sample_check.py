"""Whether the labelled predictions are like the others: labels that come for some cases only mislead.

Two groups are checked apart: predictions whose label nobody requested, and those that a labelling queue drew at random,
of which some may never get a label; not those of them that had a label when they were drawn: the queue left these out,
and they do not show for which cases labels come back. In each, the labelled predictions are compared with those without
a label: what was predicted, how confident it was where classes are, and when it was made. Predictions that are too
young to have a label are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, ttest_ind

from tiltyard.evaluation import newcombe
from tiltyard.findings import Finding
from tiltyard.formatting import format_count, format_number
from tiltyard.ledger import ORGANIC, RANDOM, Label, LabelRequest
from tiltyard.monitoring.prediction_window import PredictionWindow

NOT_A_SAMPLE = "labels.not-a-sample"

FEWEST = 30
"""Predictions with a label, and without one, that a comparison needs."""

LEAST_SHARE = 0.05
"""Least difference of a predicted class's share that is worth a finding."""

LEAST_CONFIDENCE = 0.02
"""Least difference of the mean confidence that is worth a finding."""

LEAST_ORDER = 0.1
"""Least difference from 1/2 of the chance that a labelled prediction is older, or its number larger, than another's."""

LEAST_MINUTES = 2.0
"""Least difference of the median ages that is worth a finding: a burst of requests has an order and no meaning."""

_LAG_QUANTILE = 0.9
_MOST_CLASSES = 20
_TITLES = {ORGANIC: "whose label was not requested", RANDOM: "that were drawn at random for labelling"}


@dataclass(frozen=True)
class SampleDifference:
    """How labelled predictions differ from those without a label.

    Attributes:
        what: ``class``, ``confidence``, ``number`` or ``age``.
        labelled: share, mean, median number or median days of the labelled ones.
        others: the same of the others.
        text: the difference in words.
    """

    what: str
    labelled: float
    others: float
    text: str


def check_label_sample(
    window: PredictionWindow, truth: Mapping[str, Label], requests: Iterable[LabelRequest], false_alarm_rate: float
) -> list[Finding]:
    """Findings on labels that do not represent the predictions; none where too few rows can be compared.

    Args:
        window: predictions of one version.
        truth: all its labels that count, by prediction id.
        requests: the requests for labels of these predictions.
        false_alarm_rate: accepted rate of findings where chance alone decides which predictions get a label.
    """
    first: dict[str, LabelRequest] = {}
    for request in requests:
        # A random request goes before an earlier one, as in the ledger.
        if request.prediction_id not in first or (request.reason == RANDOM != first[request.prediction_id].reason):
            first[request.prediction_id] = request
    drawn = {
        id_: request
        for id_, request in first.items()
        if request.reason == RANDOM and not (id_ in truth and truth[id_].at < request.at)
    }
    rows = window.predictions
    organic = np.array([row.id not in first for row in rows], dtype=np.bool_)
    # A queue without any label yet says nothing.
    filled_in = {request.queue_id for id_, request in drawn.items() if id_ in truth}
    random = np.array([row.id in drawn and drawn[row.id].queue_id in filled_in for row in rows], dtype=np.bool_)
    labelled = np.array([row.id in truth for row in rows], dtype=np.bool_)
    findings = []
    for reason, group in ((ORGANIC, organic & _find_old_enough(window, truth, organic & labelled)), (RANDOM, random)):
        mine, others = window.take(group & labelled), window.take(group & ~labelled)
        if min(len(mine), len(others)) >= FEWEST:
            findings.append(_describe(reason, mine, others, _compare(mine, others, false_alarm_rate / 2)))
    return findings


def _find_old_enough(
    window: PredictionWindow, truth: Mapping[str, Label], known: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which predictions are older than nine of ten labels take to come."""
    lags = [
        (truth[row.id].at - row.at).total_seconds() for row, mine in zip(window.predictions, known, strict=True) if mine
    ]
    if not lags or window.until is None:
        return np.zeros(len(window), dtype=np.bool_)
    lag = float(np.quantile(lags, _LAG_QUANTILE))
    return np.array([(window.until - row.at).total_seconds() >= lag for row in window.predictions], dtype=np.bool_)


def _compare(mine: PredictionWindow, others: PredictionWindow, alpha: float) -> list[SampleDifference]:
    """The differences that are larger than chance explains, over all comparisons at once, and worth a finding."""
    if mine.is_of_numbers or others.is_of_numbers:
        return [*_compare_numbers(mine, others, alpha / 2), *_compare_ages(mine, others, alpha / 2)]
    classes, counts = np.unique(np.concatenate([mine.predicted, others.predicted]), return_counts=True)
    common = classes[np.argsort(-counts)][:_MOST_CLASSES]
    level = alpha / (len(common) + 2)
    found = []
    for name in common:
        hits, misses = float(np.sum(mine.predicted == name)), float(np.sum(others.predicted == name))
        shares = hits / len(mine), misses / len(others)
        apart = newcombe(hits, len(mine), misses, len(others), 1 - level)
        if abs(shares[0] - shares[1]) >= LEAST_SHARE and (apart.low > 0 or apart.high < 0):
            text = f"'{name:.40}' was predicted in {shares[0]:.0%} of the labelled and {shares[1]:.0%} of the others"
            found.append(SampleDifference("class", *shares, text))
    means = float(mine.confidence.mean()), float(others.confidence.mean())
    if abs(means[0] - means[1]) >= LEAST_CONFIDENCE:
        p_value = float(ttest_ind(mine.confidence, others.confidence, equal_var=False).pvalue)
        if p_value < level:
            text = f"the mean confidence is {means[0]:.1%} in the labelled and {means[1]:.1%} in the others"
            found.append(SampleDifference("confidence", *means, text))
    return [*found, *_compare_ages(mine, others, level)]


def _compare_numbers(mine: PredictionWindow, others: PredictionWindow, level: float) -> list[SampleDifference]:
    numbers = [
        np.array([float(row.label) for row in some.predictions if row.confidence is None], dtype=np.float64)
        for some in (mine, others)
    ]
    if min(map(len, numbers)) < FEWEST or not _is_of_another_order(numbers[0], numbers[1], level):
        return []
    medians = float(np.median(numbers[0])), float(np.median(numbers[1]))
    shown = " and ".join(
        f"{format_number(one)} in the {which}" for one, which in zip(medians, ("labelled", "others"), strict=True)
    )
    return [SampleDifference("number", *medians, f"the median of the predicted numbers is {shown}")]


def _compare_ages(mine: PredictionWindow, others: PredictionWindow, level: float) -> list[SampleDifference]:
    times = [np.array([row.at.timestamp() for row in some.predictions]) for some in (mine, others)]
    if not _is_of_another_order(times[0], times[1], level):
        return []
    until = max(float(some.max()) for some in times)
    ages = [(until - float(np.median(some))) / 86_400 for some in times]
    if abs(ages[0] - ages[1]) * 1440 < LEAST_MINUTES:
        return []
    # In a unit that does not round the difference away.
    per_day, unit = (1, "days") if max(ages) >= 2 else (24, "hours") if max(ages) * 24 >= 2 else (1440, "minutes")
    shown = [f"{per_day * age:.1f} {unit}" for age in ages]
    text = f"the labelled were made {shown[0]} and the others {shown[1]} before the newest (medians)"
    return [SampleDifference("age", ages[0], ages[1], text)]


def _is_of_another_order(mine: NDArray[np.float64], others: NDArray[np.float64], level: float) -> bool:
    """Whether values of one side are larger than those of the other more often, or more seldom, than by chance."""
    test = mannwhitneyu(mine, others, method="asymptotic")
    order = float(test.statistic) / (len(mine) * len(others))
    return abs(order - 0.5) >= LEAST_ORDER and float(test.pvalue) < level


def _describe(
    reason: str, mine: PredictionWindow, others: PredictionWindow, differences: list[SampleDifference]
) -> Finding:
    sizes = f"{format_count(len(mine), 'labelled prediction')} {_TITLES[reason]}"
    compared = f"with {format_count(len(others), 'prediction')} without a label"
    evidence = {
        "labelled": len(mine),
        "others": len(others),
        "differences": [
            {"what": one.what, "labelled": one.labelled, "others": one.others, "text": one.text} for one in differences
        ],
    }
    if not differences:
        message = f"The {sizes} are like the rest, compared {compared}."
        return Finding(NOT_A_SAMPLE, "info", reason, message=message, evidence=evidence, status="clear")
    words = "; ".join(one.text for one in differences)
    return Finding(
        NOT_A_SAMPLE,
        "warning",
        reason,
        message=f"The {sizes} are not like the rest, compared {compared}: {words}. Figures with labels are those of "
        "the labelled cases.",
        evidence=evidence,
        since=mine.since,
        until=mine.until,
        next_step="Find out for which cases labels come. For figures of all cases, label some that were drawn at "
        "random: tiltyard label queue --random 1.",
    )
