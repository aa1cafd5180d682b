"""How a loaded version scores a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tiltyard.scoring.input_warnings import Warnings


@dataclass(frozen=True)
class Scores:
    """Predictions for a batch of n inputs.

    Attributes:
        labels: n predicted labels.
        probabilities: (n, k) probabilities; columns follow ``Scorer.classes``; rows sum to 1.
        warnings: the n inputs' values and columns that training did not know; None where there are none.
    """

    labels: Sequence[str]
    probabilities: NDArray[np.float64]
    warnings: Warnings | None = None


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
        """The k labels, in the order of the probability columns."""

    @property
    def kind(self) -> str:
        """Name of the implementation, such as ``scikit-learn``."""

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        """Score n inputs, each ``{"text": …}`` or the features by name; n is at least 1.

        Raises:
            InputError: an input cannot be scored; it names the position and the field.
        """
