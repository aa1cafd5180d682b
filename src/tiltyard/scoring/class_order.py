"""Probability columns in the order of a version's classes, and labels by its decision rule.

Estimators sort their labels as text, so that ``"10"`` comes before ``"9"``; a version has numbers in their own order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
from msgspec.structs import replace

from tiltyard.errors import InputError
from tiltyard.scoring.explanations import Explains, Explanation
from tiltyard.scoring.input_errors import shift_positions
from tiltyard.scoring.input_warnings import ABSTAINED, InputWarning, join_warnings
from tiltyard.scoring.scorer import Scorer, Scores
from tiltyard.tasks import DecisionRule


class ExplainingScorer(Scorer, Explains, Protocol):
    """A scorer that explains itself."""


class OrderedScorer:
    """A scorer whose columns come in another order.

    Args:
        scorer: what scores.
        classes: its k labels, in the order wanted.
    """

    def __init__(self, scorer: Scorer, classes: Sequence[str]) -> None:
        self.scorer = scorer
        self._classes = tuple(classes)
        self.columns = np.array([scorer.classes.index(name) for name in classes], dtype=np.intp)

    @property
    def classes(self) -> tuple[str, ...]:
        """The k labels, in the order of the probability columns."""
        return self._classes

    @property
    def kind(self) -> str:
        """Name of the implementation."""
        return self.scorer.kind

    @property
    def reason(self) -> str:
        """Why no compiled scorer is used; empty where one is."""
        return str(getattr(self.scorer, "reason", ""))

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        """Score n inputs; see ``Scorer.score``."""
        scores = self.scorer.score(inputs)
        return replace(scores, probabilities=np.ascontiguousarray(scores.probabilities[:, self.columns]))


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


class DecidingScorer:
    """A scorer whose labels follow from the probabilities by a rule; inputs on which the model abstains say so.

    Args:
        scorer: what scores.
        rule: for the same classes in the same order.
    """

    def __init__(self, scorer: Scorer, rule: DecisionRule) -> None:
        self.scorer = scorer
        self.rule = rule
        self._abstention = InputWarning("prediction", ABSTAINED, None, _describe_abstention(rule))

    @property
    def classes(self) -> tuple[str, ...]:
        """The k labels, in the order of the probability columns."""
        return self.scorer.classes

    @property
    def kind(self) -> str:
        """Name of the implementation."""
        return self.scorer.kind

    @property
    def reason(self) -> str:
        """Why no compiled scorer is used; empty where one is."""
        return str(getattr(self.scorer, "reason", ""))

    def score(self, inputs: Sequence[Mapping[str, Any]]) -> Scores:
        """Score n inputs; see ``Scorer.score``."""
        scores = self.scorer.score(inputs)
        names = self.classes
        decided = replace(scores, labels=[names[place] for place in self.rule.decide(scores.probabilities).tolist()])
        abstains = self.rule.abstains(scores.probabilities)
        if not abstains.any():
            return decided
        found = [[self._abstention] if abstained else [] for abstained in abstains.tolist()]
        return replace(decided, warnings=join_warnings(scores.warnings, found))


class ExplainingDecidingScorer(DecidingScorer):
    """The same, of a scorer that explains itself: the label that is predicted, where none is named.

    Args:
        scorer: what scores and explains.
        rule: for the same classes in the same order.
    """

    def __init__(self, scorer: ExplainingScorer, rule: DecisionRule) -> None:
        super().__init__(scorer, rule)
        self._explains = scorer

    def explain(self, inputs: Sequence[Mapping[str, Any]], label: str | None) -> list[Explanation]:
        """All contributions of n inputs to a label; see ``Explains.explain``."""
        if label is not None:
            return self._explains.explain(inputs, label)
        found = []
        for position, (item, predicted) in enumerate(zip(inputs, self.score(inputs).labels, strict=True)):
            try:
                found += self._explains.explain([item], predicted)
            except InputError as error:
                raise shift_positions(error, position) from None
        return found


def decide_labels(scorer: Scorer, rule: DecisionRule | None) -> Scorer:
    """The scorer with labels by a version's rule; as it is where the likeliest label is predicted."""
    if rule is None:
        return scorer
    fitting = rule.reorder(scorer.classes)
    if isinstance(scorer, Explains):
        return ExplainingDecidingScorer(cast("ExplainingScorer", scorer), fitting)
    return DecidingScorer(scorer, fitting)


def _describe_abstention(rule: DecisionRule) -> str:
    if rule.abstain_below is not None:
        return f"is left to a person: no label has a probability of {rule.abstain_below:g}"
    return f"is left to a person: each label is expected to cost more than {rule.abstain_cost:g}"
