"""Probability columns in the order of a version's classes.

Estimators sort their labels as text, so that ``"10"`` comes before ``"9"``; a version has numbers in their own order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, cast

import numpy as np

from tiltyard.scoring.explanations import Explains, Explanation
from tiltyard.scoring.scorer import Scorer, Scores


class ExplainingScorer(Scorer, Explains, Protocol):
    """A scorer that explains itself."""


class OrderedScorer:
    """A scorer whose columns come in another order.

    Args:
        scorer: what scores.
        classes: its k labels, in the order wanted.
    """

    def __init__(self, scorer: Scorer, classes: Sequence[str]) -> None:
        self._scorer = scorer
        self._classes = tuple(classes)
        self._columns = np.array([scorer.classes.index(name) for name in classes], dtype=np.intp)

    @property
    def classes(self) -> tuple[str, ...]:
        """The k labels, in the order of the probability columns."""
        return self._classes

    @property
    def kind(self) -> str:
        """Name of the implementation."""
        return self._scorer.kind

    @property
    def reason(self) -> str:
        """Why no compiled scorer is used; empty where one is."""
        return str(getattr(self._scorer, "reason", ""))

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        """Score n inputs; see ``Scorer.score``."""
        scores = self._scorer.score(inputs)
        return replace(scores, probabilities=np.ascontiguousarray(scores.probabilities[:, self._columns]))


class ExplainingOrderedScorer(OrderedScorer):
    """The same, of a scorer that explains itself.

    Args:
        scorer: what scores and explains.
        classes: its k labels, in the order wanted.
    """

    def __init__(self, scorer: ExplainingScorer, classes: Sequence[str]) -> None:
        super().__init__(scorer, classes)
        self._explains = scorer

    def explain(self, inputs: Sequence[Mapping[str, Any]], label: str | None) -> list[Explanation]:
        """All contributions of n inputs to a label; see ``Explains.explain``."""
        return self._explains.explain(inputs, label)


def order_columns(scorer: Scorer, classes: Sequence[str]) -> Scorer:
    """The scorer with its columns in the order of these classes; as it is where they are not its own."""
    if tuple(classes) == scorer.classes or sorted(classes) != sorted(scorer.classes):
        return scorer
    if isinstance(scorer, Explains):
        return ExplainingOrderedScorer(cast("ExplainingScorer", scorer), classes)
    return OrderedScorer(scorer, classes)
