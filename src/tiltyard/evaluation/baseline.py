"""What always guessing would reach: the least that a model has to beat."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiltyard.evaluation.labelled_predictions import LabelledPredictions
from tiltyard.evaluation.metrics import Metric
from tiltyard.evaluation.resampling.excess import excess_p_value
from tiltyard.evaluation.resampling.permutation_test import FEW_HITS, SIGNS_BOUND, normal_tail
from tiltyard.jsonable import json_form

Guess = Literal["majority", "stratified"]
_DRAWS = 15  # an odd number

GUESSES: Mapping[Guess, str] = {
    "majority": "always the most frequent label",
    "stratified": "labels drawn at their frequency",
}
"""Kinds of guessing, as scikit-learn's DummyClassifier names and defines them."""

LEAST_DEALS, MOST_DEALS = 500, 5000
_ROUNDING = 1e-12  # sums of the same numbers in another order


@json_form(also=("best",), without=("predictions", "bigger_is_better"))
@dataclass(frozen=True)
class GuessBaseline:
    """The predictions of guessing for the same n rows as a model's, and a metric of them.

    Both know how frequent each label is among these rows, and nothing else; their probabilities are these frequencies.

    Attributes:
        metric: name of the metric.
        values: the metric by kind of guess; one on which it is not defined is absent.
        predictions: the predictions by kind of guess.
        bigger_is_better: whether a bigger value of the metric is better.
    """

    metric: str
    values: Mapping[Guess, float]
    predictions: Mapping[Guess, LabelledPredictions]
    bigger_is_better: bool = True

    @property
    def best(self) -> Guess | None:
        """The kind of guess that the metric rates best; None where it is defined on neither."""
        sign = 1.0 if self.bigger_is_better else -1.0
        return max(self.values, key=lambda name: sign * self.values[name], default=None)


def guess_baseline(metric: Metric, labelled: LabelledPredictions, *, seed: int = 0) -> GuessBaseline:
    """Guess the labels of the rows that a model predicted.

    Args:
        metric: the metric by which versions are compared.
        labelled: the model's predictions for n rows, at least one.
        seed: of the labels that are drawn.
    """
    shares = np.bincount(labelled.truth, minlength=len(labelled.classes)) / len(labelled)
    drawn = _draw_typical(labelled.truth, shares, seed)
    codes: dict[Guess, NDArray[np.intp]] = {
        "majority": np.full(len(labelled), int(shares.argmax())),
        "stratified": drawn,
    }
    probabilities = None if labelled.probabilities is None else np.tile(shares, (len(labelled), 1))
    names = np.asarray(labelled.classes, dtype=str)
    predictions = {
        kind: replace(labelled, predicted=names[found], probabilities=probabilities) for kind, found in codes.items()
    }
    values: dict[Guess, float] = {}
    for kind, guessed in predictions.items():
        try:
            values[kind] = metric.compute(guessed)
        except ValueError:  # not defined on these predictions, such as the precision of a label that is never guessed
            continue
    return GuessBaseline(metric.name, values, predictions, metric.bigger_is_better)


def _draw_typical(truth: NDArray[np.intp], shares: NDArray[np.float64], seed: int) -> NDArray[np.intp]:
    """Labels drawn at their frequency: of several draws the one with the median of right guesses.

    A single draw of few rows may be lucky, and a model would have to beat the luck.
    """
    random = np.random.default_rng(seed)
    draws = [random.choice(len(shares), size=len(truth), p=shares) for _ in range(_DRAWS)]
    right = [int(np.count_nonzero(drawn == truth)) for drawn in draws]
    return np.asarray(draws[int(np.argsort(right, kind="stable")[_DRAWS // 2])], dtype=np.intp)


def guessing_p_value(metric: Metric, labelled: LabelledPredictions, *, alpha: float = 0.05, seed: int = 0) -> float:
    """How likely a metric this good is for predictions that know nothing of their rows, one-sided.

    A permutation test (Ojala and Garriga, Journal of Machine Learning Research 11, 2010, test 1): predictions, with
    their probabilities, are dealt out to the rows anew, so that each guess names the labels as often as the model does.
    The p-value is (1 + the number of deals that reach the model's metric) / (1 + deals). Deals on which the metric is
    not defined count as if they reached it. Dealing ends where the p-value cannot fall below ``alpha`` any more (Besag
    and Clifford, Biometrika 78, 1991). More deals than 5,000 are not made: below their share the p-value is from the
    normal distribution, which such statistics tend to (Hoeffding, Annals of Mathematical Statistics 22, 1951), times
    the same factor as in ``permutation_p_values``.

    Where rows belong together in groups, deals do not show how far a lucky guess reaches: the p-value is then the
    larger one of this test's and of ``excess_p_value``, by groups.

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
    return max(by_rows, excess_p_value(metric, labelled, seed=seed))


def _deal(metric: Metric, labelled: LabelledPredictions, alpha: float, seed: int) -> float:
    """The p-value by dealing predictions out to the rows."""
    sign = 1.0 if metric.bigger_is_better else -1.0
    reached = sign * metric.compute(labelled)
    deals = min(MOST_DEALS, max(LEAST_DEALS, math.ceil(2 / alpha)))
    random = np.random.default_rng(seed)
    hits, values = 0, []
    for dealt in range(1, deals + 1):
        order = random.permutation(len(labelled))
        probabilities = None if labelled.probabilities is None else labelled.probabilities[order]
        guess = replace(labelled, predicted=labelled.predicted[order], probabilities=probabilities)
        try:
            values.append(sign * metric.compute(guess))
            hits += values[-1] >= reached - _ROUNDING
        except ValueError:
            hits += 1
        if hits > alpha * deals:
            return (1 + hits) / (1 + dealt)
    share = (1 + hits) / (1 + deals)
    if hits >= FEW_HITS or deals < MOST_DEALS:
        return share
    away = reached - float(np.mean(values))
    return min(share, SIGNS_BOUND * normal_tail(away, float(np.std(values)), len(values)))
