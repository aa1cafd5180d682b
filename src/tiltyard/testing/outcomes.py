"""Live outcomes of champion and challenger, from a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from tiltyard.data.conform.labels import match_labels
from tiltyard.ledger import Label, Prediction, ShadowOutcomes, SplitOutcome
from tiltyard.ledger.ports import NO_RARE_CLASSES, Became
from tiltyard.ledger.sql.outcomes import count_outcomes


class MemoryOutcomes:
    """``LiveOutcomes`` for tests, over the predictions and labels of a ledger in memory."""

    def __init__(
        self,
        predictions: Callable[..., Iterator[Prediction]],
        labelled: Callable[..., Iterator[tuple[Prediction, Label]]],
        labels: Callable[..., Iterator[Label]],
    ) -> None:
        self._predictions = predictions
        self._labelled = labelled
        self._labels = labels

    def count_shadow(
        self, model_name: str, challenger: str, *, since: datetime | None = None, became: Became = NO_RARE_CLASSES
    ) -> ShadowOutcomes:
        """Which version was right on inputs that both predicted; see ``LiveOutcomes.count_shadow``."""
        known = {row.id: (row, label) for row, label in self._labelled(project=model_name, route="champion")}
        groups: list[tuple[str, str, str, int]] = []
        for shadow in self._predictions(project=model_name, version=challenger, route="shadow", since=since):
            if shadow.key in known:
                champion, label = known[shadow.key]
                groups.append((champion.label, shadow.label, label.label, 1))
        counted = count_outcomes(groups, became)
        return ShadowOutcomes(counted[True, True], counted[True, False], counted[False, True], counted[False, False])

    def list_split(
        self, model_name: str, challenger: str, *, since: datetime | None = None, became: Became = NO_RARE_CLASSES
    ) -> list[SplitOutcome]:
        """The labelled rows of both, in the order of their labels; see ``LiveOutcomes.list_split``."""
        theirs = {"project": model_name, "version": challenger, "route": "challenger", "since": since}
        first = next(iter(self._predictions(**theirs)), None)
        if first is None:
            return []
        rows = dict(self._by_id(**theirs))
        rows |= dict(self._by_id(project=model_name, route="champion", since=first.at))
        order = {label.prediction_id: position for position, label in enumerate(self._labels(model_name=model_name))}
        pairs = sorted(rows.values(), key=lambda pair: order[pair[0].id])
        right = match_labels([row.label for row, _ in pairs], [label.label for _, label in pairs], became)
        return [
            SplitOutcome(row.route == "challenger", one)
            for (row, _), one in zip(pairs, right, strict=True)
            if one is not None
        ]

    def _by_id(self, **filters: object) -> Iterator[tuple[str, tuple[Prediction, Label]]]:
        return ((row.id, (row, label)) for row, label in self._labelled(**filters))
