"""How a loaded version scores a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from tiltyard.data.number_labels import write_number
from tiltyard.scoring.input_warnings import Warnings

if TYPE_CHECKING:
    from tiltyard.evaluation import IntervalCalibration


# A struct: one is made for each call, and a dataclass takes twice as long, a frozen one as long as a booster's trees.
class Scores(msgspec.Struct, frozen=True, eq=False):
    """Predictions for a batch of n inputs.

    Attributes:
        labels: n predicted labels; of a model of numbers these, as text that is read as the very same number.
        probabilities: (n, k) probabilities; columns follow ``Scorer.classes``; rows sum to 1. None (k = 0) of numbers.
        warnings: the n inputs' values and columns that training did not know; None where there are none.
        numbers: n predicted numbers; None of a classifier.
        intervals: (n, 2), lower and upper end of each number's interval, infinite where there is none; None without.
    """

    labels: Sequence[str]
    probabilities: NDArray[np.float64]
    warnings: Warnings | None = None
    numbers: NDArray[np.float64] | None = None
    intervals: NDArray[np.float64] | None = None

    @property
    def are_finite(self) -> bool:
        """Whether all that was predicted is finite; the ends of intervals need not be."""
        return bool(np.isfinite(self.probabilities if self.numbers is None else self.numbers).all())


def make_number_scores(
    found: NDArray[np.float64], intervals: IntervalCalibration | None, warnings: Warnings | None = None
) -> Scores:
    """The scores of n predicted numbers.

    Args:
        found: the numbers.
        intervals: what makes an interval of each; None for none.
        warnings: see ``Scores``.
    """
    numbers = np.ascontiguousarray(found)
    ends = None if intervals is None else intervals.make_intervals(numbers)
    labels = [write_predicted(value) for value in numbers.tolist()]
    return Scores(labels, np.zeros((len(numbers), 0)), warnings, numbers=numbers, intervals=ends)


def write_predicted(number: float) -> str:
    """A predicted number as text that is read as the very same; also one that is not finite, which a caller refuses."""
    return write_number(number) if math.isfinite(number) else str(number)


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """What is reported of one input.

    Attributes:
        value: the label, or the number.
        certainty: of a label its ``confidence``, which is its own probability, and the ``probabilities`` of all; of a
            number its ``interval``, the two ends, of which one without a limit is None; None for no interval.
    """

    value: str | float
    certainty: Mapping[str, Any]

    @property
    def probabilities(self) -> Mapping[str, float]:
        """The probability of each label; none of a number."""
        found: Mapping[str, float] = self.certainty.get("probabilities", {})
        return found


def describe_predictions(scores: Scores, classes: Sequence[str]) -> list[ScoredRow]:
    """What is reported of n inputs."""
    if scores.numbers is not None:
        ends = [None] * len(scores.labels) if scores.intervals is None else scores.intervals.tolist()
        return [
            ScoredRow(value, {"interval": None if pair is None else [_close_end(end) for end in pair]})
            for value, pair in zip(scores.numbers.tolist(), ends, strict=True)
        ]
    rows = (dict(zip(classes, row, strict=True)) for row in scores.probabilities.tolist())
    return [
        ScoredRow(label, {"confidence": row[label], "probabilities": row})
        for label, row in zip(scores.labels, rows, strict=True)
    ]


def _close_end(end: float) -> float | None:
    return end if math.isfinite(end) else None


class NotCompilableError(Exception):
    """There is no compiled scorer that predicts exactly as this model does.

    Args:
        reason: why, to be read after "because".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Scorer(Protocol):
    """Scores batches with one model.

    Must be safe to call from several threads, and must score each input independently of the others
    in its batch: a batch gets the predictions of its rows one by one.

    A scorer may offer more: ``explain`` (see ``explanations.Explains``), and ``reason``, why no compiled scorer is used
    (``SklearnScorer``).
    """

    @property
    def classes(self) -> tuple[str, ...]:
        """The k labels, in the order of the probability columns; none of a model of numbers."""

    @property
    def kind(self) -> str:
        """Name of the implementation, such as ``scikit-learn``."""

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        """Score n inputs, each ``{"text": …}`` or the features by name; n is at least 1.

        Raises:
            InputError: an input cannot be scored; it names the position and the field.
        """
