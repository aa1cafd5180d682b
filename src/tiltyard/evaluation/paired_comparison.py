"""Champion and challenger on the same rows: is the difference more than chance?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc

from tiltyard.data.conform.labels import order_classes
from tiltyard.errors import DataError
from tiltyard.evaluation.labelled_predictions import (
    Codes,
    Evaluated,
    EvaluatedRows,
    LabelledPredictions,
    Labels,
    NumberPredictions,
    label_predictions,
)
from tiltyard.evaluation.metrics import NUMBER_METRICS, Metric
from tiltyard.evaluation.resampling.by_group import (
    CONFIDENCE,
    cluster_sizes,
    count_alike,
    effective_sample_size,
    exchange_tails,
    widen_level,
    widen_share,
)
from tiltyard.evaluation.resampling.comparison import (
    ALL_BY_GROUP,
    ALL_OF_NUMBERS,
    BOOTSTRAP,
    BOTH,
    EXCHANGE,
    MCNEMAR,
    Comparison,
)
from tiltyard.evaluation.resampling.permutation_test import FEW_HITS, normal_tail, permutation_p_values
from tiltyard.evaluation.resampling.row_kinds import distinct_rows
from tiltyard.evaluation.resampling.skewness import corrected_tails, group_tails, lower_for_unseen
from tiltyard.formatting import format_count


def compare(metric: Metric, champion: Evaluated, challenger: Evaluated, *, seed: int = 0) -> Comparison:
    """Compare by the test that suits the metric: McNemar's for accuracy, bootstrap and permutation for all others.

    The bootstrap alone finds a lead too often on few rows (it takes the spread of the sample for the true one), and the
    permutation test, which is exact on any number, asks whether the two are alike rather than equally good. So the
    p-value is the larger of theirs: a lead has to convince both. The interval is the bootstrap's. Where rows belong
    together in groups, whole groups are exchanged and drawn, McNemar's test is the exact exchange of groups, and the
    lead has to convince a third test, which knows that few bad groups may be missing (``corrected_tails``).
    So it has for numbers, whose losses are often skewed: there each row is a group. Costs of decisions, of which few
    may be large, are compared as numbers are.

    Raises:
        DataError: the two were not evaluated on the same rows, or the metric is not defined on them, or all rows are
            of one group.
    """
    _check_same_rows(champion, challenger)
    if (
        metric.name == "accuracy"
        and isinstance(champion, LabelledPredictions)
        and isinstance(challenger, LabelledPredictions)
    ):
        return compare_paired(champion.labels, champion.predicted, challenger.predicted, clusters=champion.clusters)
    if metric.needs_costs:
        first, second = _price(metric, champion), _price(metric, challenger)
        return replace(compare(NUMBER_METRICS["mae"], first, second, seed=seed), metric=metric.name)
    found = compare_bootstrap(metric, champion, challenger, seed=seed)
    aligned = _align_classes(champion, challenger)
    ahead, behind = permutation_p_values(metric, *aligned, seed=seed)
    numbers = isinstance(champion, NumberPredictions)
    if champion.clusters is not None or numbers:
        ahead, behind = _take_larger((ahead, behind), group_tails(metric, *aligned, seed=seed))
    return replace(
        found,
        method=ALL_BY_GROUP if champion.clusters is not None else ALL_OF_NUMBERS if numbers else BOTH,
        p_value=max(found.p_value, ahead),
        p_value_two_sided=min(1.0, max(found.p_value_two_sided, 2 * min(ahead, behind))),
    )


def compare_paired(
    labels: Sequence[str] | Labels,
    champion: Sequence[str] | Labels,
    challenger: Sequence[str] | Labels,
    *,
    clusters: Codes | None = None,
) -> Comparison:
    """Compare accuracy by McNemar's exact test (McNemar, 1947): only rows that one alone got right count.

    The interval is that of Agresti and Min (Statistics in Medicine 24, 2005): Wald's, with half a row added to each
    cell of the 2 by 2 table.

    Where rows belong together in groups, all rows of a group change sides at the throw of one coin: if the two versions
    were interchangeable, the p-value is exact whatever holds within groups (``exchange_tails``). Versions can be
    equally good and yet unlike, one far worse in few groups: the p-value is the larger one of this test's and of
    ``corrected_tails``. The interval is the same, of as many rows by themselves as would tell as much
    (``effective_sample_size``).

    Args:
        labels: n true labels.
        champion: the champion's n predictions.
        challenger: the challenger's.
        clusters: n codes of groups, from 0 on; None where each row is by itself.

    Raises:
        DataError: there are no rows, or their numbers differ, or all are of one group.
    """
    labels, champion, challenger = (np.asarray(column, dtype=str) for column in (labels, champion, challenger))
    rows = len(labels)
    if rows == 0 or not rows == len(champion) == len(challenger):
        raise DataError(
            f"{format_count(rows, 'true label')}, {len(champion):,} and {format_count(len(challenger), 'prediction')} "
            "cannot be compared in pairs.",
            next_step="Evaluate both versions on the same rows, at least one.",
        )
    right, challenger_right = champion == labels, challenger == labels
    lost, won = int(np.sum(right & ~challenger_right)), int(np.sum(challenger_right & ~right))
    if clusters is None:
        share, (ahead, behind) = 1.0, _binomial_tails(won, won + lost)
    else:
        _check_groups(clusters)
        leads = challenger_right.astype(np.int64) - right
        totals = np.bincount(clusters, weights=leads).astype(np.float64)
        lowered = rows / len(totals) * lower_for_unseen(len(totals), float(np.mean(right)))
        ahead, behind = _take_larger(exchange_tails(totals.astype(np.int64)), corrected_tails(totals, lowered))
        share = effective_sample_size(leads.astype(np.float64), clusters).at(CONFIDENCE) / rows
    low, high = _agresti_min(won * share, lost * share, rows * share)
    return Comparison(
        metric="accuracy",
        method=MCNEMAR if clusters is None else EXCHANGE,
        rows=rows,
        champion=float(np.mean(right)),
        challenger=float(np.mean(challenger_right)),
        difference=(won - lost) / rows,
        low=low,
        high=high,
        p_value=ahead,
        p_value_two_sided=min(1.0, 2 * min(ahead, behind)),
        only_champion_right=lost,
        only_challenger_right=won,
        **_describe_groups(clusters),
    )


def compare_bootstrap(
    metric: Metric,
    champion: Evaluated,
    challenger: Evaluated,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare any metric by the paired bootstrap (Efron and Tibshirani, 1993, chapter 16).

    Rows are drawn with replacement, the same for both; the interval is the percentile interval. The p-value is
    (1 + the number of draws in which the challenger is not ahead) / (1 + draws) (Davison and Hinkley, 1997, section
    4.2); where almost no draw is, it is the tail of the normal distribution with their mean and spread. Draws in which
    the metric is not defined are left out; if they are more than half, nothing can be said. Rows that belong together
    are drawn as whole groups, and interval and p-value widened for their number (``widen_level``).

    Args:
        metric: what is compared.
        champion: the champion's predictions for n rows.
        challenger: the challenger's predictions for the same rows.
        resamples: number of draws.
        seed: of the draws; the same seed gives the same numbers.

    Raises:
        DataError: the two were not evaluated on the same rows, or the metric is not defined on them, or all rows are
            of one group.
    """
    _check_same_rows(champion, challenger)
    if champion.clusters is not None:
        _check_groups(champion.clusters)
    champion, challenger = _align_classes(champion, challenger)
    sign = 1.0 if metric.bigger_is_better else -1.0
    try:
        values = metric.compute(champion), metric.compute(challenger)
    except ValueError as error:
        raise DataError(
            f"{metric.title} is not defined on these rows: {error}.", next_step="Compare by another metric."
        ) from None
    drawn = _differences(metric, champion, challenger, resamples, seed) * sign
    level, not_ahead, not_behind = (1 - CONFIDENCE) / 2, _share_beyond(-drawn), _share_beyond(drawn)
    if champion.clusters is not None:
        sizes = cluster_sizes(champion.clusters)
        level = widen_level(level, sizes)
        not_ahead, not_behind = widen_share(not_ahead, sizes), widen_share(not_behind, sizes)
    low, high = np.quantile(drawn, [level, 1 - level])
    right, challenger_right = _find_nearer(champion, challenger)
    return Comparison(
        metric=metric.name,
        method=BOOTSTRAP,
        rows=len(champion),
        champion=values[0],
        challenger=values[1],
        difference=(values[1] - values[0]) * sign,
        low=float(low),
        high=float(high),
        p_value=not_ahead,
        p_value_two_sided=min(1.0, 2 * min(not_ahead, not_behind)),
        only_champion_right=int(np.sum(right & ~challenger_right)),
        only_challenger_right=int(np.sum(challenger_right & ~right)),
        **_describe_groups(champion.clusters),
    )


def _price(metric: Metric, labelled: EvaluatedRows) -> NumberPredictions:
    """The cost of each decision, as how far it is from one that costs nothing.

    Raises:
        DataError: not every decision has a cost.
    """
    reason = metric.explain_undefined(labelled)
    if reason or isinstance(labelled, NumberPredictions) or labelled.costs is None:
        raise DataError(
            f"{metric.title} is not defined on these rows: {reason}.",
            next_step="State decision.costs for each label, or compare by another metric.",
        )
    return NumberPredictions(np.zeros(len(labelled)), labelled.costs, labelled.clusters)


def _find_nearer(champion: EvaluatedRows, challenger: EvaluatedRows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The rows on which the one is right, and the other; of numbers, on which it is at least as near as the other."""
    if isinstance(champion, NumberPredictions) and isinstance(challenger, NumberPredictions):
        first, second = np.abs(champion.errors), np.abs(challenger.errors)
        return first <= second, second <= first
    first, second = (
        one.predicted_codes == one.truth if isinstance(one, LabelledPredictions) else np.abs(one.errors) == 0
        for one in (champion, challenger)
    )
    return first, second


def _check_same_rows(champion: EvaluatedRows, challenger: EvaluatedRows) -> None:
    if isinstance(champion, NumberPredictions) or isinstance(challenger, NumberPredictions):
        same = np.array_equal(champion.truth, challenger.truth)
    else:
        same = np.array_equal(champion.labels, challenger.labels)
    if not same:
        raise DataError(
            "The two versions were evaluated on different rows.", next_step="Evaluate them on the same rows."
        )


def _check_groups(clusters: Codes) -> None:
    if not clusters.any():
        raise DataError(
            f"All rows ({len(clusters):,}) are of one group, so what would be otherwise in another is not known.",
            next_step="Evaluate on rows of more groups: enlarge split.test, or add rows.",
            code="evaluation.one-group",
        )


def _take_larger(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    return max(first[0], second[0]), max(first[1], second[1])


def _describe_groups(clusters: Codes | None) -> dict[str, Any]:
    if clusters is None:
        return {}
    sizes = cluster_sizes(clusters)
    return {"groups": len(sizes), "groups_alike": count_alike(sizes)}


def _align_classes(champion: Evaluated, challenger: Evaluated) -> tuple[Evaluated, Evaluated]:
    """Both with the labels that either knows, so that a mean over classes is over the same ones."""
    if isinstance(champion, NumberPredictions) or isinstance(challenger, NumberPredictions):
        return champion, challenger
    if champion.classes == challenger.classes:
        return champion, challenger
    classes = list(order_classes({*champion.classes, *challenger.classes}))
    first, second = (
        label_predictions(
            one.labels,
            one.predicted,
            _widen_probabilities(one, classes),
            classes,
            champion.positive,
            clusters=champion.clusters,
            rule=one.rule,
            prices=one.prices,
            target=one.target,
        )
        for one in (champion, challenger)
    )
    return first, second


def _widen_probabilities(one: LabelledPredictions, classes: list[str]) -> NDArray[np.float64] | None:
    if one.probabilities is None:
        return None
    probabilities = np.zeros((len(one), len(classes)))
    probabilities[:, [classes.index(label) for label in one.classes]] = one.probabilities
    return probabilities


def _differences(
    metric: Metric, champion: Evaluated, challenger: Evaluated, resamples: int, seed: int
) -> NDArray[np.float64]:
    """Challenger's value less the champion's, of each draw in which both are defined."""
    champion, challenger, kinds = distinct_rows(metric, champion, challenger)
    found = [
        metric.weighted(challenger, weights) - metric.weighted(champion, weights)
        for weights in kinds.draw(resamples, np.random.default_rng(seed))
    ]
    differences = np.concatenate(found)
    defined = differences[~np.isnan(differences)]
    if 2 * len(defined) < resamples:
        raise DataError(
            f"{metric.title} is defined on too few draws from {format_count(kinds.rows, 'row')}.",
            next_step="Compare by another metric.",
        )
    return defined


def _share_beyond(drawn: NDArray[np.float64]) -> float:
    """The share of draws at or above 0; where almost none is, what the normal distribution of them has there."""
    hits = 1 + int(np.sum(drawn >= 0))
    share = hits / (1 + len(drawn))
    if hits > FEW_HITS:
        return share
    return min(share, normal_tail(-float(np.mean(drawn)), float(np.std(drawn)), len(drawn)))


def _binomial_tails(won: int, decided: int) -> tuple[float, float]:
    """Probability of at least, and of at most, ``won`` heads in ``decided`` throws of a fair coin."""
    at_least = float(bdtrc(won - 1, decided, 0.5)) if won > 0 else 1.0
    return at_least, float(bdtr(won, decided, 0.5)) if won < decided else 1.0


def _agresti_min(won: float, lost: float, rows: float) -> tuple[float, float]:
    more, less, total = won + 0.5, lost + 0.5, rows + 2.0
    middle = (more - less) / total
    spread = math.sqrt(max(0.0, more + less - (more - less) ** 2 / total)) / total
    return max(-1.0, middle - _z() * spread), min(1.0, middle + _z() * spread)


def _z() -> float:
    return NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
