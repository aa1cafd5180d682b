"""A ledger that lives in memory and dies with the process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from threading import RLock
from typing import Any, Unpack

from tiltyard.closing import ClosedByWith
from tiltyard.ledger import (
    Event,
    FindingLog,
    HourProfiles,
    Label,
    LabelReceipt,
    LabelRequests,
    Lease,
    LiveOutcomes,
    NamedPrediction,
    Notice,
    Prediction,
    PredictionFilter,
    PredictionStats,
)
from tiltyard.ledger.arrivals import list_key
from tiltyard.ledger.chain import broken_links, link
from tiltyard.ledger.codec import (
    LabelRow,
    PredictionRow,
    decode_event,
    decode_label,
    decode_prediction,
    encode_event,
    encode_labels,
    encode_predictions,
)
from tiltyard.ledger.prediction_stats import combine_tallies, tally_prediction
from tiltyard.ledger.records import SHADOW, matches_search
from tiltyard.ledger.sql.filters import check_filters
from tiltyard.ledger.storable import check_text, from_micros, to_micros
from tiltyard.testing.findings import MemoryBatchRuns, MemoryFindings, MemoryProfiles
from tiltyard.testing.leases import MemoryLeases, MemoryNotes
from tiltyard.testing.outbox import MemoryOutbox
from tiltyard.testing.outcomes import MemoryLabelRequests, MemoryOutcomes
from tiltyard.testing.retention import MemoryArrivals, MemoryRetention

_ALWAYS = range(-(2**62), 2**62)


class MemoryLedger(ClosedByWith):
    """A ``Ledger`` for tests: it behaves like the one in SQL, and keeps nothing on disk."""

    def __init__(self) -> None:
        self._lock = RLock()
        self.outbox = MemoryOutbox(self._lock)
        self.leases = MemoryLeases()
        self.notes = MemoryNotes(self.leases)
        self._predictions: dict[str, PredictionRow] = {}
        self._labels: dict[LabelRow, int] = {}
        self._events: list[dict[str, Any]] = []
        self._found = MemoryFindings()
        self._profile_store = MemoryProfiles(self.predictions, self.labelled_predictions)
        self._requests = MemoryLabelRequests(self.prediction, lambda: {row[0] for row in self._labels})
        self.batch_runs = MemoryBatchRuns()
        self.arrivals = MemoryArrivals(self._lock, self._predictions, self.record_rows)
        self.retention = MemoryRetention(self._lock, self._predictions, self._labels, self._forget, self.arrivals)
        self._live = MemoryOutcomes(self.predictions, self.labelled_predictions, self._first_labels)

    @property
    def findings(self) -> FindingLog:
        """Findings of monitoring runs."""
        return self._found

    @property
    def profiles(self) -> HourProfiles:
        """Profiles of past hours."""
        return self._profile_store

    @property
    def outcomes(self) -> LiveOutcomes:
        """How champion and challenger did on labelled rows."""
        return self._live

    @property
    def label_requests(self) -> LabelRequests:
        """Which predictions were put into labelling queues, and why."""
        return self._requests

    def record(self, predictions: Sequence[Prediction]) -> None:
        """Store all predictions; see ``Ledger.record``."""
        self.record_rows(encode_predictions(predictions))

    def record_rows(self, rows: Sequence[PredictionRow]) -> None:
        """Store encoded predictions; see ``Ledger.record_rows``."""
        with self._lock:
            for row in rows:
                self._predictions.setdefault(row[0], row)

    def check_writable(self) -> None:
        """Nothing keeps it from recording; see ``Ledger.check_writable``."""

    def prediction(self, id: str) -> Prediction | None:  # noqa: A002 - the field's own name
        """The prediction of that id, or None."""
        row = self._predictions.get(check_text("id", id))
        return None if row is None else decode_prediction(row)

    def predictions(self, **filters: Unpack[PredictionFilter]) -> Iterator[Prediction]:
        """The selected predictions; see ``Ledger.predictions``."""
        checked = check_filters(**filters)
        return iter(self._select(checked)[: checked.get("limit")])

    def labelled_predictions(self, **filters: Unpack[PredictionFilter]) -> Iterator[tuple[Prediction, Label]]:
        """The selected predictions and whose truth is known; see ``Ledger.labelled_predictions``."""
        checked = check_filters(**filters)
        truth = {row[0]: row for row in self._counting()}
        known = [found for found in self._select(checked) if found.id in truth][: checked.get("limit")]
        return ((found, self._decode(truth[found.id])) for found in known)

    def prediction_stats(
        self,
        model_name: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        shadow: bool = False,
    ) -> PredictionStats:
        """A summary of predictions; see ``Ledger.prediction_stats``."""
        found = self._select(check_filters(project=model_name, since=since, until=until, shadow=shadow))
        return combine_tallies(map(tally_prediction, found))

    def find_predictions(
        self, *, ids: Sequence[str] = (), keys: Sequence[str] = (), model_name: str | None = None
    ) -> list[NamedPrediction]:
        """The predictions with these ids and keys; see ``Ledger.find_predictions``."""
        wanted, by_key = {check_text("id", id_) for id_ in ids}, {check_text("key", key) for key in keys}
        selected = self._select(check_filters(project=model_name))
        return [
            NamedPrediction(
                found.id,
                found.at,
                found.project,
                found.key,
                found.label,
                found.probabilities,
                "number" if found.confidence is None else "class",
            )
            for found in selected
            if found.id in wanted or (found.key in by_key and found.route != SHADOW)
        ]

    def record_labels(self, labels: Sequence[Label]) -> LabelReceipt:
        """Store what was reported; see ``Ledger.record_labels``."""
        rows = encode_labels(labels)
        with self._lock:
            accepted = [row for row in rows if row[0] in self._predictions]
            for row in accepted:
                self._labels.setdefault(row, 1 + max(self._labels.values(), default=-1))
            unknown = dict.fromkeys(row[0] for row in rows if row[0] not in self._predictions)
        return LabelReceipt(accepted=len(accepted), unknown=tuple(unknown))

    def labels(
        self,
        *,
        model_name: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        superseded: bool = False,
        requested: bool = False,
        prediction_id: str | None = None,
    ) -> Iterator[Label]:
        """Labels by the time they were reported; see ``Ledger.labels``."""
        of_project = {found.id for found in self._select(check_filters(project=model_name))}
        if requested:
            of_project &= {one.prediction_id for one in self._requests.select()}
        if prediction_id is not None:
            of_project &= {check_text("prediction_id", prediction_id)}
        window = _window(since, until)
        rows = self._all_labels() if superseded else self._counting()
        return (self._decode(row) for row in rows if row[0] in of_project and row[1] in window)

    def newest_label_times(self, ids: Sequence[str]) -> dict[str, datetime]:
        """The times of the labels that count; see ``Ledger.newest_label_times``."""
        return {row[0]: from_micros(row[1]) for row in self._counting() if row[0] in {*ids}}

    def append(self, event: Event, notices: Sequence[Notice] = (), *, lease: Lease | None = None) -> Event:
        """Add a decision to the end of the chain; see ``Ledger.append``."""
        row = encode_event(event)
        with self._lock:
            if lease is not None:
                self.leases.require_turn(lease)
            self.outbox.enqueue(notices)
            row["sequence"] = len(self._events) + 1
            row["digest"] = link(self._events[-1]["digest"] if self._events else "", row)
            self._events.append(row)
        return decode_event(row)

    def events(
        self, *, subject: str | None = None, kind: str | None = None, since: datetime | None = None, after: int = 0
    ) -> Iterator[Event]:
        """The decisions in the order they were appended; see ``Ledger.events``."""
        about = None if subject is None else check_text("subject", subject)
        of_kind = None if kind is None else check_text("kind", kind)
        window = _window(since, None)
        checked = [
            row
            for row in self._events
            if (about is None or row["subject"] == about or row["subject"].startswith(f"{about}/"))
            and (of_kind is None or row["kind"] == of_kind)
            and row["at_us"] in window
            and row["sequence"] > after
        ]
        return map(decode_event, checked)

    def verify_events(self) -> list[str]:
        """What is wrong with the chain; see ``Ledger.verify_events``."""
        with self._lock:
            rows = list(self._events)
        last = rows[-1]["digest"] if rows else ""
        return broken_links(rows, len(rows), last)

    def close(self) -> None:
        """Nothing to let go of: what was recorded can still be read."""

    def _select(self, checked: PredictionFilter) -> list[Prediction]:
        """The selected predictions, in order; the limit is left to the caller."""
        named = {name: checked.get(name) for name in ("project", "version", "route")}
        wanted = {name: check_text(name, str(value)) for name, value in named.items() if value is not None}
        key = checked.get("key")
        keys = None if key is None else {check_text("key", key)}
        window = _window(checked.get("since"), checked.get("until"))
        with self._lock:
            predictions = [decode_prediction(row) for row in self._predictions.values()]
        found = [
            prediction
            for prediction in predictions
            if all(getattr(prediction, name) == value for name, value in wanted.items())
            and (keys is None or not keys.isdisjoint(_keys_of(prediction, items=checked.get("list_items", False))))
            and (prediction.route != SHADOW or checked.get("shadow", True))
            and to_micros(prediction.at) in window
            and matches_search(prediction, checked.get("search") or "")
        ]
        return sorted(
            found,
            key=lambda prediction: (prediction.at, prediction.id),
            reverse=bool(checked.get("newest_first")),
        )

    def _decode(self, row: LabelRow) -> Label:
        return decode_label(row, self._requests.reason(row[0]))

    def _forget(self, ids: Set[str], times: set[int]) -> None:
        self._profile_store.forget(times)
        self._requests.forget(ids)

    def _all_labels(self) -> list[LabelRow]:
        with self._lock:
            return sorted(self._labels, key=lambda row: (row[1], self._labels[row]))

    def _first_labels(self) -> dict[str, int]:
        """The place of each prediction's first label, in the order in which labels were received."""
        with self._lock:
            return {row[0]: place for row, place in sorted(self._labels.items(), key=lambda item: -item[1])}

    def _counting(self) -> list[LabelRow]:
        newest = {row[0]: row for row in self._all_labels()}
        return sorted(newest.values(), key=lambda row: (row[1], self._labels[row]))


def _keys_of(prediction: Prediction, *, items: bool) -> set[str | None]:
    return {prediction.key, list_key(prediction.key) if items and prediction.key else None}


def _window(since: datetime | None, until: datetime | None) -> range:
    """The microseconds from ``since`` until before ``until``."""
    first = _ALWAYS.start if since is None else to_micros(since, "since")
    return range(first, _ALWAYS.stop if until is None else to_micros(until, "until"))
