"""What always guessing would reach: the least that a model has to beat."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.labelled_predictions import EvaluatedRows, LabelledPredictions, NumberPredictions
from tiltyard.evaluation.metrics import Metric
from tiltyard.evaluation.paired_comparison import compare
from tiltyard.evaluation.resampling.excess import excess_p_value
from tiltyard.evaluation.resampling.permutation_test import FEW_HITS, SIGNS_BOUND, normal_tail
from tiltyard.jsonable import json_form
from tiltyard.tasks import DecisionRule

Guess = Literal["majority", "stratified", "cheapest", "mean", "median"]
_DRAWS = 15  # an odd number

GUESSES: Mapping[Guess, str] = {
    "majority": "always the most frequent label",
    "stratified": "labels drawn at their frequency",
    "cheapest": "always the label that costs least",
    "mean": "always the mean",
    "median": "always the median",
}
"""Kinds of guessing, as scikit-learn's DummyClassifier and DummyRegressor name and define them.

``cheapest`` comes in where somebody states costs.
"""

LEAST_DEALS, MOST_DEALS = 500, 5000
_ROUNDING = 1e-12  # sums of the same numbers in another order


@json_form(also=("best",), without=("predictions", "bigger_is_better"))
@dataclass(frozen=True)
class GuessBaseline:
    """The predictions of guessing for the same n rows as a model's, and a metric of them.

    They know how frequent each label is among these rows (of numbers, their mean and median), and nothing else; their
    probabilities are these frequencies.

    Attributes:
        metric: name of the metric.
        values: the metric by kind of guess; one on which it is not defined is absent.
        predictions: the predictions by kind of guess.
        bigger_is_better: whether a bigger value of the metric is better.
    """

    metric: str
    values: Mapping[Guess, float]
    predictions: Mapping[Guess, Any]
    bigger_is_better: bool = True

    @property
    def best(self) -> Guess | None:
        """The kind of guess that the metric rates best; None where it is defined on neither."""
        sign = 1.0 if self.bigger_is_better else -1.0
        return max(self.values, key=lambda name: sign * self.values[name], default=None)


def guess_baseline(metric: Metric, labelled: EvaluatedRows, *, seed: int = 0) -> GuessBaseline:
    """Guess the labels of the rows that a model predicted.

    Args:
        metric: the metric by which versions are compared.
        labelled: the model's predictions for n rows, at least one.
        seed: of the labels that are drawn.
    """
    predictions = _guess_number(labelled) if isinstance(labelled, NumberPredictions) else _guess_label(labelled, seed)
    values: dict[Guess, float] = {}
    for kind, guessed in predictions.items():
        try:
            values[kind] = metric.compute(guessed)
        except ValueError:  # not defined on these predictions, such as the precision of a label that is never guessed
            continue
    return GuessBaseline(metric.name, values, predictions, metric.bigger_is_better)


def _guess_number(rows: NumberPredictions) -> dict[Guess, NumberPredictions]:
    guesses: dict[Guess, float] = {"mean": float(rows.truth.mean()), "median": float(np.median(rows.truth))}
    return {kind: replace(rows, predicted=np.full(len(rows), value)) for kind, value in guesses.items()}


def _guess_label(labelled: LabelledPredictions, seed: int) -> dict[Guess, LabelledPredictions]:
    shares = np.bincount(labelled.truth, minlength=len(labelled.classes)) / len(labelled)
    drawn = _draw_typical(labelled.truth, shares, seed)
    codes: dict[Guess, NDArray[np.intp]] = {
        "majority": np.full(len(labelled), int(shares.argmax())),
        "stratified": drawn,
    }
    probabilities = None if labelled.probabilities is None else np.tile(shares, (len(labelled), 1))
    names = np.asarray(labelled.classes, dtype=str)
    if labelled.prices is not None and labelled.prices.costs:
        codes["cheapest"] = np.full(len(labelled), _find_cheapest(labelled, labelled.prices))
        # It decides all rows alike, and abstains on none.
        labelled = replace(labelled, rule=None)
    return {
        kind: replace(labelled, predicted=names[found], probabilities=probabilities) for kind, found in codes.items()
    }


def _find_cheapest(labelled: LabelledPredictions, prices: DecisionRule) -> int:
    """The label that costs least if it is predicted for every row."""
    shares = np.array([float(np.mean(labelled.labels == name)) for name in prices.classes])
    label = prices.classes[int((shares @ np.asarray(prices.costs)).argmin())]
    return labelled.classes.index(label) if label in labelled.classes else 0


def _draw_typical(truth: NDArray[np.intp], shares: NDArray[np.float64], seed: int) -> NDArray[np.intp]:
    """Labels drawn at their frequency: of several draws the one with the median of right guesses.

    A single draw of few rows may be lucky, and a model would have to beat the luck.
    """
    random = np.random.default_rng(seed)
    draws = [random.choice(len(shares), size=len(truth), p=shares) for _ in range(_DRAWS)]
    right = [int(np.count_nonzero(drawn == truth)) for drawn in draws]
    return np.asarray(draws[int(np.argsort(right, kind="stable")[_DRAWS // 2])], dtype=np.intp)


def guessing_p_value(metric: Metric, labelled: EvaluatedRows, *, alpha: float = 0.05, seed: int = 0) -> float:
    """How likely a metric this good is for predictions that know nothing of their rows, one-sided.

    A permutation test (Ojala and Garriga, Journal of Machine Learning Research 11, 2010, test 1): predictions, with
    their probabilities, are dealt out to the rows anew, so that each guess names the labels as often as the model does.
    The p-value is (1 + the number of deals that reach the model's metric) / (1 + deals). Deals on which the metric is
    not defined count as if they reached it. Dealing ends where the p-value cannot fall below ``alpha`` any more (Besag
    and Clifford, Biometrika 78, 1991). More deals than 5,000 are not made: below their share the p-value is from the
    normal distribution, which such statistics tend to (Hoeffding, Annals of Mathematical Statistics 22, 1951), times
    the same factor as in ``permutation_p_values``.

    Where rows belong together in groups, deals do not show how far a lucky guess reaches: the p-value is then the
    larger one of this test's and of ``excess_p_value``, by groups; of numbers, of this one's and of the comparison by
    groups with the best constant (``compare``).

    Args:
        metric: the metric by which versions are compared.
        labelled: the model's predictions for n rows, at least one.
        alpha: the level that the p-value will be compared with; it decides the number of deals.
        seed: of the deals.

    Raises:
        ValueError: the metric is not defined on the predictions themselves.
    """
    by_rows = _deal(metric, labelled, alpha, seed)
    if labelled.clusters is None or by_rows >= alpha:
        return by_rows
    if isinstance(labelled, NumberPredictions):
        # A prediction that does not depend on its row cannot be nearer than the best constant.
        guess = guess_baseline(metric, labelled, seed=seed)
        best = None if guess.best is None else guess.predictions[guess.best]
        return 1.0 if best is None else max(by_rows, compare(metric, best, labelled, seed=seed).p_value)
    return max(by_rows, excess_p_value(metric, labelled, seed=seed))


def _deal(metric: Metric, labelled: EvaluatedRows, alpha: float, seed: int) -> float:
    """The p-value by dealing predictions out to the rows."""
    sign = 1.0 if metric.bigger_is_better else -1.0
    reached = sign * metric.compute(labelled)
    rounding = _ROUNDING * (abs(reached) if isinstance(labelled, NumberPredictions) else 1.0)
    deals = min(MOST_DEALS, max(LEAST_DEALS, math.ceil(2 / alpha)))
    random = np.random.default_rng(seed)
    hits, values = 0, []
    for dealt in range(1, deals + 1):
        guess = _deal_predictions(labelled, random.permutation(len(labelled)))
        try:
            values.append(sign * metric.compute(guess))
            hits += values[-1] >= reached - rounding
        except ValueError:
            hits += 1
        if hits > alpha * deals:
            return (1 + hits) / (1 + dealt)
    share = (1 + hits) / (1 + deals)
    if hits >= FEW_HITS or deals < MOST_DEALS:
        return share
    away = reached - float(np.mean(values))
    return min(share, SIGNS_BOUND * normal_tail(away, float(np.std(values)), len(values)))


def _deal_predictions(labelled: EvaluatedRows, order: NDArray[np.intp]) -> EvaluatedRows:
    if isinstance(labelled, NumberPredictions):
        return replace(labelled, predicted=labelled.predicted[order])
    probabilities = None if labelled.probabilities is None else labelled.probabilities[order]
    return replace(labelled, predicted=labelled.predicted[order], probabilities=probabilities)
