"""Predictions with their true labels, classes or numbers: what every metric is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tiltyard.data.conform.labels import LabelCodec, order_classes
from tiltyard.errors import DataError
from tiltyard.formatting import format_count
from tiltyard.tasks import DecisionRule, TaskTarget

Labels = NDArray[np.str_]
Probabilities = NDArray[np.float64]
Codes = NDArray[np.intp]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class LabelledPredictions:
    """Predictions with their true labels, n rows; made by ``label_predictions``.

    Attributes:
        labels: n true labels.
        predicted: n predicted labels.
        probabilities: (n, k) probabilities, or None; columns follow ``classes``.
        classes: k labels, in the order of ``order_classes``; every true and predicted label is among them.
        positive: the label that counts as positive where there are two.
        unknown: labels that the model has no probability for; they occur among the rows all the same.
        clusters: n codes from 0 on, equal where rows belong together (``split.group``); None where each row is by
            itself.
        rule: by which labels follow from probabilities; None for the likeliest.
        prices: a rule whose costs say what decisions cost; None where nobody states any.
        target: what is predicted.
    """

    labels: Labels
    predicted: Labels
    probabilities: Probabilities | None
    classes: tuple[str, ...]
    positive: str
    unknown: tuple[str, ...] = ()
    clusters: Codes | None = None
    rule: DecisionRule | None = None
    prices: DecisionRule | None = None
    target: TaskTarget = "class"

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def costs(self) -> NDArray[np.float64] | None:
        """What the decision on each row costs; NaN where no cost is stated for its label, None without prices.

        A row on which the model abstains costs what abstaining does, where that is stated.
        """
        prices = self.prices
        if prices is None or not prices.costs:
            return None
        places = np.array([prices.classes.index(name) if name in prices.classes else -1 for name in self.classes])
        true, predicted = places[self.truth], places[self.predicted_codes]
        found = np.asarray(prices.costs)[true, predicted]
        found[(true < 0) | (predicted < 0)] = np.nan
        if prices.abstain_cost is not None and self.rule is not None and self.probabilities is not None:
            columns = [self.classes.index(name) for name in self.rule.classes]
            found[self.rule.abstains(self.probabilities[:, columns])] = prices.abstain_cost
        return np.asarray(found, dtype=np.float64)

    @property
    def binary(self) -> bool:
        """Whether there are two labels."""
        return len(self.classes) == 2

    @property
    def positive_code(self) -> int:
        """Position of the positive label among the classes."""
        return self.classes.index(self.positive)

    @cached_property
    def truth(self) -> Codes:
        """The true labels as positions among the classes."""
        return _find_codes(self.labels, self.classes)

    @cached_property
    def predicted_codes(self) -> Codes:
        """The predicted labels as positions among the classes."""
        return _find_codes(self.predicted, self.classes)

    @property
    def cluster_count(self) -> int | None:
        """How many groups the rows are of; None where each row is by itself."""
        return None if self.clusters is None else int(self.clusters.max()) + 1

    def confusion(self, weights: Weights | None = None) -> NDArray[np.float64]:
        """Counts of (true, predicted) pairs.

        Args:
            weights: (m, n) weights of the rows, m times over; default: each row counts once.

        Returns:
            (m, k, k); m is 1 without weights.
        """
        k = len(self.classes)
        cells = self.truth * k + self.predicted_codes
        if weights is None:
            return np.bincount(cells, minlength=k * k).reshape(1, k, k).astype(np.float64)
        order = np.argsort(cells, kind="stable")
        occurring, starts = np.unique(cells[order], return_index=True)
        counts = np.zeros((len(weights), k * k))
        counts[:, occurring] = np.add.reduceat(weights[:, order], starts, axis=1)
        return counts.reshape(-1, k, k)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> LabelledPredictions:
        """The rows chosen by position or by mask."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return LabelledPredictions(
            self.labels[rows],
            self.predicted[rows],
            probabilities,
            self.classes,
            self.positive,
            self.unknown,
            None if self.clusters is None else number_clusters(self.clusters[rows]),
            self.rule,
            self.prices,
            self.target,
        )

    def decide(self, probabilities: Probabilities) -> Labels:
        """The labels predicted at (m, k) other probabilities, by the same rule."""
        if self.rule is None:
            return np.asarray(np.asarray(self.classes)[probabilities.argmax(axis=1)])
        places = [self.classes.index(name) for name in self.rule.classes]
        return np.asarray(np.asarray(self.rule.classes)[self.rule.decide(probabilities[:, places])])


@dataclass(frozen=True)
class NumberPredictions:
    """Predicted numbers with the true ones, n rows; made by ``pair_numbers``.

    Attributes:
        truth: n true numbers, finite.
        predicted: n predicted numbers, finite.
        clusters: as of ``LabelledPredictions``.
        target: what is predicted.
    """

    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    clusters: Codes | None = None
    target: TaskTarget = "number"

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def errors(self) -> NDArray[np.float64]:
        """Predicted less true number of each row."""
        return self.predicted - self.truth

    @property
    def cluster_count(self) -> int | None:
        """How many groups the rows are of; None where each row is by itself."""
        return None if self.clusters is None else int(self.clusters.max()) + 1

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> NumberPredictions:
        """The rows chosen by position or by mask."""
        clusters = None if self.clusters is None else number_clusters(self.clusters[rows])
        return NumberPredictions(self.truth[rows], self.predicted[rows], clusters, self.target)


EvaluatedRows = LabelledPredictions | NumberPredictions
"""Predictions with the truth, of either kind of target."""

Evaluated = TypeVar("Evaluated", LabelledPredictions, NumberPredictions)
"""The one kind or the other, for functions of several predictions of one kind."""


def pair_numbers(
    truth: Sequence[float] | NDArray[np.float64],
    predicted: Sequence[float] | NDArray[np.float64],
    *,
    clusters: Sequence[int] | NDArray[Any] | None = None,
    target: TaskTarget = "number",
) -> NumberPredictions:
    """Join predicted numbers with the true ones.

    Args:
        truth: n true numbers.
        predicted: n predicted numbers.
        clusters: as of ``label_predictions``.
        target: what is predicted.

    Raises:
        DataError: there are no rows, the sides differ in number, or a number is not finite.
    """
    true, said = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    _check_shapes(true, said, None, ())
    for numbers, whose in ((true, "true"), (said, "predicted")):
        if not np.isfinite(numbers).all():
            raise DataError(
                f"{int((~np.isfinite(numbers)).sum()):,} of {len(numbers):,} {whose} numbers are not finite.",
                next_step="Find out why the model predicts NaN or infinity."
                if whose == "predicted"
                else "Leave these rows out.",
                code="evaluation.not-finite",
            )
    return NumberPredictions(true, said, _find_clusters(clusters, len(true)), target)


def label_predictions(  # noqa: PLR0913  what is known of predictions, of which most callers know a part
    labels: Sequence[str] | Labels,
    predicted: Sequence[str] | Labels,
    probabilities: Probabilities | None,
    classes: Sequence[str],
    positive: str | None = None,
    *,
    clusters: Sequence[int] | NDArray[Any] | None = None,
    rule: DecisionRule | None = None,
    prices: DecisionRule | None = None,
    target: TaskTarget = "class",
) -> LabelledPredictions:
    """Join predictions with their true labels, with every label known and the columns of the probabilities in order.

    A label that only the test side knows still counts: it gets a column of zeros.

    Args:
        labels: n true labels.
        predicted: n predicted labels.
        probabilities: (n, k), or None.
        classes: the k labels that the columns of ``probabilities`` stand for, in any order.
        positive: the label that counts as positive, in any spelling; default: the last in the order of the classes.
        clusters: n keys, equal where rows belong together, such as those of one customer: tests and intervals then
            take whole groups for what is drawn by chance. Default: each row is by itself.
        rule: by which the labels followed from the probabilities; default: the likeliest.
        prices: a rule whose costs say what decisions cost; default: nobody states any.
        target: what is predicted.

    Raises:
        DataError: there are no rows, or the shapes do not fit, or ``positive`` is not a label.
    """
    labels, predicted = np.asarray(labels, dtype=str), np.asarray(predicted, dtype=str)
    _check_shapes(labels, predicted, probabilities, classes)
    known = order_classes({*classes, *np.unique(labels).tolist(), *np.unique(predicted).tolist()})
    chosen = known[-1] if positive is None else LabelCodec(known).find_class(positive)
    if chosen is None:
        raise DataError(
            f"The positive label '{positive}' is none of the labels: {', '.join(known)}.",
            next_step="Set data.positive in the project file to one of them.",
            code="data.positive-unknown",
        )
    if probabilities is not None and known != tuple(classes):
        widened = np.zeros((len(labels), len(known)))
        widened[:, [known.index(label) for label in classes]] = probabilities
        probabilities = widened
    unknown = tuple(label for label in known if label not in set(classes))
    codes = _find_clusters(clusters, len(labels))
    return LabelledPredictions(labels, predicted, probabilities, known, chosen, unknown, codes, rule, prices, target)


def number_clusters(keys: NDArray[Any]) -> Codes | None:
    """Keys of groups as codes from 0 on; None where no two are equal, so that each row is by itself."""
    found, codes = np.unique(keys, return_inverse=True)
    return None if len(found) == len(keys) and len(keys) > 1 else np.asarray(codes, dtype=np.intp)


def _find_clusters(clusters: Sequence[int] | NDArray[Any] | None, rows: int) -> Codes | None:
    codes = None if clusters is None else number_clusters(np.asarray(clusters))
    if codes is not None and len(codes) != rows:
        raise DataError(
            f"{format_count(len(codes), 'group')} of rows and {format_count(rows, 'row')} do not fit.",
            next_step="Name the group of each row.",
        )
    return codes


def _find_codes(labels: Labels, classes: Sequence[str]) -> Codes:
    """The place of each label among the classes, which are in any order."""
    names = np.asarray(classes)
    order = np.argsort(names)
    return order[np.searchsorted(names, labels, sorter=order)]


def _check_shapes(
    labels: NDArray[Any], predicted: NDArray[Any], probabilities: Probabilities | None, classes: Sequence[str]
) -> None:
    if len(labels) == 0:
        raise DataError("There are no rows to evaluate.", next_step="Check the split and the test data.")
    if len(predicted) != len(labels):
        raise DataError(
            f"{format_count(len(labels), 'true label')} and {len(predicted):,} of those predicted do not fit.",
            next_step="Evaluate the same rows.",
        )
    if probabilities is None:
        return
    if probabilities.shape != (len(labels), len(classes)):
        raise DataError(
            f"Probabilities of shape {probabilities.shape} do not fit {format_count(len(labels), 'row')} and "
            f"{format_count(len(classes), 'label')}.",
            next_step="Give one row of probabilities for each row, one column for each label.",
        )
    if not np.all(np.isfinite(probabilities)):
        raise DataError(
            "Some probabilities are not finite numbers.", next_step="Find out why the model predicts NaN or infinity."
        )
