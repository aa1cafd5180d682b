"""Live outcomes of champion and challenger, and requests for labels, of a ledger in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from datetime import datetime

from tiltyard.ledger import (
    RANDOM,
    Assignment,
    Label,
    LabelRequest,
    Prediction,
    ShadowOutcome,
    ShadowOutcomes,
    SplitOutcome,
)
from tiltyard.ledger.codec import RequestRow, decode_request, encode_requests
from tiltyard.ledger.ports import NO_RARE_CLASSES, Became
from tiltyard.ledger.sql.label_requests import LABELLED_DRAW
from tiltyard.ledger.sql.outcomes import (
    count_outcomes,
    match_shadow_units,
    match_split,
    name_row,
    name_unit,
    sum_shadow,
)


class MemoryOutcomes:
    """``LiveOutcomes`` for tests, over the predictions and labels of a ledger in memory."""

    def __init__(
        self,
        predictions: Callable[..., Iterator[Prediction]],
        labelled: Callable[..., Iterator[tuple[Prediction, Label]]],
        first_labels: Callable[[], Mapping[str, int]],
    ) -> None:
        self._predictions = predictions
        self._labelled = labelled
        self._first_labels = first_labels

    def count_shadow(
        self, model_name: str, challenger: str, *, since: datetime | None = None, became: Became = NO_RARE_CLASSES
    ) -> ShadowOutcomes:
        """Which version was right on inputs that both predicted; see ``LiveOutcomes.count_shadow``."""
        known = {row.id: (row, label) for row, label in self._select_sampled(project=model_name, route="champion")}
        groups: dict[bool, list[tuple[str, str, str, int]]] = {True: [], False: []}
        for shadow in self._predictions(project=model_name, version=challenger, route="shadow", since=since):
            if shadow.key in known:
                champion, label = known[shadow.key]
                groups[_has_known_unit(champion, shadow)].append((champion.label, shadow.label, label.label, 1))
        return sum_shadow(count_outcomes(groups[True], became), count_outcomes(groups[False], became).total())

    def list_shadow_units(
        self,
        model_name: str,
        challenger: str,
        *,
        since: datetime | None = None,
        became: Became = NO_RARE_CLASSES,
        group_key: str | None = None,
        error_cap: float | None = None,
    ) -> list[ShadowOutcome]:
        """The rows of units that both predicted; see ``LiveOutcomes.list_shadow_units``."""
        made = {row.id: row for row in self._predictions(project=model_name, route="champion")}
        pairs = [
            (made[str(shadow.key)], shadow)
            for shadow in self._predictions(project=model_name, version=challenger, route="shadow", since=since)
            if shadow.key in made and _has_known_unit(made[str(shadow.key)], shadow)
        ]
        truth = {row.id: label.label for row, label in self._select_sampled(project=model_name, route="champion")}
        first = self._first_labels()
        known = sorted((pair for pair in pairs if pair[0].id in truth), key=lambda pair: first[pair[0].id])
        units = [
            name_unit(mine.unit, mine.input, model_name, group_key) or name_row(mine.id, error_cap) for mine, _ in known
        ]
        rows = [
            (unit, mine.label, theirs.label, truth[mine.id])
            for unit, (mine, theirs) in zip(units, known, strict=True)
            if unit is not None
        ]
        sizes = Counter(str(mine.unit) for mine, _ in pairs if mine.unit is not None)
        return match_shadow_units(rows, sizes, became, error_cap)

    def list_split(
        self,
        model_name: str,
        challenger: str,
        *,
        since: datetime | None = None,
        became: Became = NO_RARE_CLASSES,
        error_cap: float | None = None,
    ) -> list[SplitOutcome]:
        """The labelled rows of the split test, in the order of their labels; see ``LiveOutcomes.list_split``."""

        def takes_part(row: Prediction) -> bool:
            assignment = row.assignment
            return assignment is not None and Assignment.decode(assignment).challenger == challenger

        first = self._first_labels()
        labelled = [pair for pair in self._select_sampled(project=model_name, since=since) if takes_part(pair[0])]
        labelled.sort(key=lambda pair: first[pair[0].id])
        rows = [(str(row.unit), str(row.assignment), row.label, label.label) for row, label in labelled]
        made = [row for row in self._predictions(project=model_name, since=since) if takes_part(row)]
        return match_split(rows, Counter(str(row.unit) for row in made), became, error_cap)

    def _select_sampled(self, **filters: object) -> Iterator[tuple[Prediction, Label]]:
        return (pair for pair in self._labelled(**filters) if pair[1].is_sample)


def _has_known_unit(champion: Prediction, shadow: Prediction) -> bool:
    return champion.unit is not None or shadow.unit is not None


class MemoryLabelRequests:
    """``LabelRequests`` for tests."""

    def __init__(self, find: Callable[[str], Prediction | None], labelled: Callable[[], Collection[str]]) -> None:
        self._find, self._labelled = find, labelled
        self._requests: dict[tuple[str, str], RequestRow] = {}

    def record(self, requests: Sequence[LabelRequest]) -> None:
        """Store requests, each once; see ``LabelRequests.record``."""
        for row in encode_requests(requests):
            self._requests.setdefault(row[:2], row)

    def select(self, *, model_name: str | None = None, since: datetime | None = None) -> Iterator[LabelRequest]:
        """The requests, by time; see ``LabelRequests.select``."""
        ordered = sorted(self._requests.values(), key=lambda row: (row[2], row[0], row[1]))
        for request in map(decode_request, ordered):
            prediction = None if model_name is None else self._find(request.prediction_id)
            of_model = model_name is None or (prediction is not None and prediction.project == model_name)
            if of_model and (since is None or request.at >= since):
                yield request

    def reason(self, prediction_id: str) -> str | None:
        """The reason of a label of this prediction; None without a request."""
        found = [row for row in self._requests.values() if row[0] == prediction_id]
        return min(
            ((not self._counts_as_random(row, found), row[2], row[1], row[3]) for row in found), default=(None,)
        )[-1]

    def _counts_as_random(self, row: RequestRow, of_prediction: Sequence[RequestRow]) -> bool:
        if row[3] != RANDOM:
            return False
        if not any(one[3] != RANDOM and one[2] < row[2] for one in of_prediction):
            return True
        drawn = [one[0] for one in self._requests.values() if one[1] == row[1] and one[3] == RANDOM]
        known = self._labelled()
        return sum(id_ in known for id_ in drawn) >= LABELLED_DRAW * len(drawn)

    def forget(self, ids: Set[str]) -> None:
        """Remove the requests for these predictions."""
        for key in [key for key in self._requests if key[0] in ids]:
            del self._requests[key]
