"""Whether a model became worse: a metric now against its baseline, and whether chance explains the difference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np
from scipy.special import bdtr

from tiltyard.errors import UsageError
from tiltyard.evaluation import EvaluatedRows, Interval, Metric, NumberPredictions, get_metric, newcombe
from tiltyard.evaluation.resampling.by_group import EffectiveSample, cluster_sizes, effective_share_size, widen_share
from tiltyard.evaluation.resampling.row_kinds import distinct_predictions
from tiltyard.formatting import choose_form, format_count
from tiltyard.monitoring.performance import measure_metric

Verdict = Literal["degraded", "holds", "could_not_judge"]

ALPHA = 0.05
RESAMPLES = 1000
EXACT_ROWS = 10**12
"""Rows of a baseline that counts as exact."""

# Spellings of the requirements' examples.
_SYNONYMS = {"f1_score": "f1", "auc": "roc_auc"}


@dataclass(frozen=True)
class Degradation:
    """One metric against its baseline.

    Attributes:
        metric: its name.
        verdict: ``degraded`` where the loss is larger than allowed and more than chance, ``holds`` otherwise,
            ``could_not_judge`` with too few rows.
        baseline: the value it is compared with.
        value: the value now; None where it could not be computed.
        interval: 95 % interval of the value now.
        loss: by how much it is worse, as a share of the baseline; negative where it is better.
        allowed: largest accepted loss, as a share of the baseline.
        p_value: probability of a loss at least as large if nothing had changed.
        reason: one sentence with the figures.
    """

    metric: str
    verdict: Verdict
    baseline: float
    value: float | None
    interval: Interval | None
    loss: float | None
    allowed: float
    p_value: float | None
    reason: str


def evaluate_degradation(
    labelled: EvaluatedRows | None,
    baseline: Mapping[str, float],
    *,
    allowed: float = 0.05,
    min_rows: int = 30,
    baseline_rows: int | None = None,
    alpha: float = ALPHA,
) -> tuple[Degradation, ...]:
    """Compare the metrics of labelled predictions with a baseline.

    A metric is degraded when it lost more than ``allowed`` of its baseline and a loss this large is more than chance:
    for accuracy by the exact binomial test against a baseline assumed exact, or, where its number of rows is known,
    by Newcombe's interval of the difference; for all others by the bootstrap, with the error of a baseline whose rows
    are known. Several metrics share ``alpha`` (Holm, Scandinavian Journal of Statistics 6, 1979).

    Args:
        labelled: n labelled predictions; None for none.
        baseline: value by metric name; ``f1_score`` and ``auc`` are understood.
        allowed: largest accepted loss, as a share of the baseline.
        min_rows: with fewer rows no metric is evaluated.
        baseline_rows: rows that the baseline was measured on, where that is known.
        alpha: accepted rate of false alarms, over all metrics.

    Raises:
        UsageError: a metric is not known, or a figure cannot be used.
    """
    _check_baseline(baseline, allowed)
    named = {_SYNONYMS.get(name, name): float(value) for name, value in baseline.items()}
    metrics = {name: get_metric(name) for name in named}
    rows = 0 if labelled is None else len(labelled)
    if labelled is None or rows < min_rows:
        why = f"{format_count(rows, 'labelled prediction')} {choose_form(rows, 'is', 'are')} too few for a verdict; "
        why += f"{min_rows} are needed."
        return tuple(
            Degradation(name, "could_not_judge", value, None, None, None, allowed, None, why)
            for name, value in named.items()
        )
    measured = [_compare(metrics[name], labelled, value, allowed, baseline_rows) for name, value in named.items()]
    return _decide(measured, alpha)


def _compare(
    metric: Metric, labelled: EvaluatedRows, baseline: float, allowed: float, baseline_rows: int | None
) -> Degradation:
    undefined = metric.explain_undefined(labelled)
    if undefined:
        why = f"{metric.title} could not be computed: {undefined}."
        return Degradation(metric.name, "could_not_judge", baseline, None, None, None, allowed, None, why)
    figure = measure_metric(metric, labelled)
    worse = (baseline - figure.value) if metric.bigger_is_better else (figure.value - baseline)
    loss = worse / abs(baseline) if baseline else (math.inf if worse > 0 else 0.0)
    p_value = _compute_p_value(metric, labelled, baseline, baseline_rows)
    return Degradation(metric.name, "holds", baseline, figure.value, figure.interval, loss, allowed, p_value, "")


def _decide(measured: list[Degradation], alpha: float) -> tuple[Degradation, ...]:
    """The verdicts: the smallest p-value is compared with ``alpha / m``, the next with ``alpha / (m - 1)``, …"""
    tested = sorted((one for one in measured if one.p_value is not None), key=lambda one: one.p_value or 0.0)
    significant: set[str] = set()
    for position, one in enumerate(tested):
        if (one.p_value or 0.0) > alpha / (len(tested) - position):
            break
        significant.add(one.metric)
    return tuple(_with_verdict(one, by_chance=one.metric not in significant) for one in measured)


def _with_verdict(one: Degradation, *, by_chance: bool) -> Degradation:
    if one.value is None or one.loss is None:
        return one
    title = get_metric(one.metric).title
    against = f"{title} is {one.value:.4f} against a baseline of {one.baseline:.4f}"
    chance = f"p = {one.p_value:.2g}" if one.p_value is not None else "no test"
    verdict: Verdict = "holds"
    if one.loss <= 0:
        reason = f"{against}: not worse."
    elif one.loss <= one.allowed:
        reason = f"{against}: a loss of {one.loss:.1%}, of which {one.allowed:.1%} is allowed."
    elif by_chance:
        reason = f"{against}: a loss of {one.loss:.1%}, which chance may explain ({chance})."
    else:
        verdict, reason = "degraded", f"{against}: a loss of {one.loss:.1%}, more than chance explains ({chance})."
    return replace(one, verdict=verdict, reason=reason)


def _compute_p_value(metric: Metric, labelled: EvaluatedRows, baseline: float, baseline_rows: int | None) -> float:
    if metric.name == "accuracy" and not isinstance(labelled, NumberPredictions):
        right = labelled.truth == labelled.predicted_codes
        if baseline_rows is None and labelled.clusters is None:
            return float(bdtr(int(np.sum(right)), len(labelled), min(1.0, max(0.0, baseline))))
        # A baseline whose rows are not known counts as exact.
        rows = EXACT_ROWS if baseline_rows is None else baseline_rows
        return _p_value_of_difference(
            float(np.mean(right)), effective_share_size(right, labelled.clusters), baseline, rows
        )
    kept, kinds = distinct_predictions(metric, labelled)
    drawn = np.concatenate(
        [metric.weighted(kept, weights) for weights in kinds.draw(RESAMPLES, np.random.default_rng(0))]
    )
    drawn = drawn[~np.isnan(drawn)]
    not_worse = drawn >= baseline if metric.bigger_is_better else drawn <= baseline
    p_value = float((1 + np.sum(not_worse)) / (1 + len(drawn)))
    if baseline_rows is not None:
        # A figure of few test rows is not known exactly: its own error is taken to be as large as that of so many rows.
        worse = float(np.mean(drawn)) - baseline if not metric.bigger_is_better else baseline - float(np.mean(drawn))
        error = float(np.std(drawn)) * math.sqrt(1 + len(labelled) / max(1, baseline_rows))
        p_value = max(p_value, 1 - NormalDist().cdf(worse / error)) if error > 0 else p_value
    return p_value if labelled.clusters is None else widen_share(p_value, cluster_sizes(labelled.clusters))


def _p_value_of_difference(share: float, worth: EffectiveSample, baseline: float, baseline_rows: int) -> float:
    """One-sided p-value: the smallest level at which Newcombe's interval of the difference excludes 0."""
    then = baseline * baseline_rows
    if share >= baseline:
        return 1.0
    low, high = 1e-6, 0.5
    for _ in range(40):
        middle = math.sqrt(low * high)
        rows = worth.at(1 - 2 * middle)
        if not rows:
            return 1.0
        interval = newcombe(share * rows, rows, then, baseline_rows, 1 - 2 * middle)
        low, high = (low, middle) if interval.high < 0 else (middle, high)
    return high


def _check_baseline(baseline: Mapping[str, float], allowed: float) -> None:
    if not baseline:
        raise UsageError("The baseline names no metric.", next_step='Give one, such as {"accuracy": 0.85}.')
    if not 0 <= allowed < 1:
        raise UsageError(
            f"degradation_threshold = {allowed} is not a share.",
            next_step="Give 0 or more and less than 1, such as 0.05.",
        )
    for name, value in baseline.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
            raise UsageError(f"The baseline {name} = {value!r} is not finite.", next_step="Give finite numbers.")
