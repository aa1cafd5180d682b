"""Permutation test: the difference of champion and challenger where their predictions are exchanged at random"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.labelled_predictions import (
    Evaluated,
    EvaluatedRows,
    LabelledPredictions,
    NumberPredictions,
    Probabilities,
    Weights,
)
from tiltyard.evaluation.metrics import Metric
from tiltyard.evaluation.metrics.task_part import TaskEvaluation
from tiltyard.evaluation.resampling.row_kinds import distinct_rows

# Sums of the same numbers in another order differ by less.
_EVEN = 1e-12
# With more draws than this as far as what was seen, their share says enough.
FEW_HITS = 10
# A sum of n independent signs with weights is x spreads out with at most so many times the normal chance, for any n.
SIGNS_BOUND = 3.18
# They read the order of the probabilities alone, and two models' probabilities need not have one scale.
_RANKING = ("roc_auc", "pr_auc")


def permutation_p_values(
    metric: Metric,
    champion: Evaluated,
    challenger: Evaluated,
    *,
    resamples: int = 999,
    seed: int = 0,
) -> tuple[float, float]:
    """The p-values of a lead, and of a loss, as large as the one seen, if the two versions were interchangeable.

    The paired permutation test: on each row the two predictions are exchanged or not, by the throw of a coin. Where the
    two are alike the p-value is exact for any metric and any number of rows (Good, Permutation, Parametric and
    Bootstrap Tests of Hypotheses, 2005, chapter 3; for accuracy it is McNemar's test). Metrics that rank see ranks
    instead of probabilities (Bandos, Rockette and Gur, Statistics in Medicine 24, 2005). The p-value is (1 + draws at
    least as far) / (1 + draws). Where almost no draw is that far, it is the bound for sums of independent signs, 3.18
    times the tail of the normal distribution (Bentkus and Dzindzalieta, Bernoulli 21, 2015), which says more.
    Rows that belong together (``clusters``) are exchanged together: the coin is thrown for each group.

    Args:
        metric: what is compared; it must be defined for both.
        champion: the champion's predictions for n rows.
        challenger: the challenger's predictions for the same rows, with the same classes.
        resamples: number of draws.
        seed: of the draws; the same seed gives the same numbers.

    Returns:
        The p-value of a lead, and that of a loss.
    """
    champion, challenger, kinds = distinct_rows(metric, champion, challenger)
    counts = kinds.counts
    both = _stack_predictions(metric, champion, challenger)
    seen = float(_differences(metric, both, np.zeros((1, len(counts))), counts)[0])
    even = _EVEN * _size_of(metric, both)
    ahead = behind = 1
    squares = 0.0
    for exchanged in kinds.exchange(resamples, np.random.default_rng([seed, 1])):
        drawn = _differences(metric, both, exchanged, counts)
        ahead += int(np.sum(drawn >= seen - even))
        behind += int(np.sum(drawn <= seen + even))
        squares += float(np.sum(drawn**2))
    spread = math.sqrt(squares / resamples)
    lead, loss = ahead / (1 + resamples), behind / (1 + resamples)
    if ahead <= FEW_HITS:
        lead = min(lead, SIGNS_BOUND * normal_tail(seen, spread, resamples))
    if behind <= FEW_HITS:
        loss = min(loss, SIGNS_BOUND * normal_tail(-seen, spread, resamples))
    return lead, loss


def normal_tail(distance: float, spread: float, draws: int) -> float:
    """The chance that a normal value of mean 0 is at least so far out, with a spread that was estimated from draws.

    The spread is taken two standard errors larger than it was estimated, so that the tail is not too small.
    """
    widened = spread * (1 + 2 / math.sqrt(2 * draws))
    return NormalDist().cdf(-distance / widened) if widened > 0 else 1.0


def _size_of(metric: Metric, both: EvaluatedRows) -> float:
    """How large the metric is where it has the unit of the label; 1 where it is a share."""
    return TaskEvaluation.find_for_target(metric.target).measure_size(float(metric.weighted(both, None)[0]))


def _differences(
    metric: Metric, both: EvaluatedRows, exchanged: Weights, counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """By how much the challenger is better, where so many rows of each kind were exchanged."""
    kept = counts - exchanged
    first = metric.weighted(both, np.hstack([kept, exchanged]))
    second = metric.weighted(both, np.hstack([exchanged, kept]))
    return (second - first) if metric.bigger_is_better else (first - second)


def _stack_predictions(metric: Metric, champion: Evaluated, challenger: Evaluated) -> EvaluatedRows:
    """The rows of the one above those of the other."""
    if isinstance(champion, NumberPredictions) or isinstance(challenger, NumberPredictions):
        truth, predicted = (
            np.concatenate([getattr(one, part) for one in (champion, challenger)]) for part in ("truth", "predicted")
        )
        return NumberPredictions(truth, predicted, target=champion.target)
    probabilities = None
    if champion.probabilities is not None and challenger.probabilities is not None:
        parts = champion.probabilities, challenger.probabilities
        probabilities = np.vstack([_ranks(part) for part in parts] if metric.name in _RANKING else parts)
    return LabelledPredictions(
        np.concatenate([champion.labels, challenger.labels]),
        np.concatenate([champion.predicted, challenger.predicted]),
        probabilities,
        champion.classes,
        champion.positive,
        champion.unknown,
        target=champion.target,
    )


def _ranks(probabilities: Probabilities) -> Probabilities:
    from scipy.stats import rankdata  # noqa: PLC0415 - half a second, for every program that imports evaluation

    return np.asarray(rankdata(probabilities, axis=0), dtype=np.float64)
