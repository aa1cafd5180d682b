"""What the rest of the house may ask of a ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, TypedDict, Unpack

from tiltyard.ledger.records import Event, Label, LabelReceipt, Prediction, PredictionStats


class PredictionFilter(TypedDict, total=False):
    """Which predictions are meant. A key that is absent or None does not narrow.

    Attributes:
        project: name of the registered model.
        since: answered at or after this time.
        until: answered before this time.
        version: registry version that answered.
        route: who answered.
        key: the caller's own key.
        limit: at most so many.
        newest_first: latest first; default: earliest first.
    """

    project: str | None
    since: datetime | None
    until: datetime | None
    version: str | None
    route: str | None
    key: str | None
    limit: int | None
    newest_first: bool


class Ledger(Protocol):
    """The durable record of predictions, labels and decisions.

    Must be safe to use from several threads and, where it is shared, from several processes. Times are
    instants: they must carry a time zone when they go in, and come out in UTC with their microseconds.

    Text is Unicode without lone surrogates (they cannot be written as UTF-8), and outside of inputs and
    evidence without NUL; anything else, to store or to look for, is refused with an ``InputError`` that names
    the field, and nothing of that call is stored. Inputs and evidence are JSON values: numbers come back
    exact, NaN and infinities included; tuples come back as lists, times as text.

    Every method may raise ``UnavailableError`` while the ledger cannot be reached.
    """

    def record(self, predictions: Sequence[Prediction]) -> None:
        """Store all predictions in one transaction; they are durable when this returns.

        A prediction whose id is held already is left as it is: recording twice is recording once.

        Raises:
            InputError: a prediction cannot be stored; the message says which and why.
        """

    def prediction(self, id: str) -> Prediction | None:  # noqa: A002 - the field's own name
        """The prediction of that id, or None."""

    def predictions(self, **filters: Unpack[PredictionFilter]) -> Iterator[Prediction]:
        """The predictions that are meant, by time and then id, read a page at a time.

        Predictions that are recorded while this runs may or may not be among them; none comes twice.
        """

    def labelled_predictions(self, **filters: Unpack[PredictionFilter]) -> Iterator[tuple[Prediction, Label]]:
        """Like ``predictions``, but only those whose truth is known, each with the label that counts."""

    def prediction_stats(
        self, project: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> PredictionStats:
        """A summary of the predictions answered from ``since`` until before ``until``."""

    def ids_by_key(self, keys: Sequence[str], *, project: str | None = None) -> Mapping[str, str]:
        """The id of the latest prediction with each of the callers' own keys; unknown keys are absent."""

    def record_labels(self, labels: Sequence[Label]) -> LabelReceipt:
        """Store what was reported, in one transaction. The same report twice is stored once.

        Several reports about one prediction are all kept. The one with the newest ``at`` counts; of those
        with the same ``at``, the one that was reported last.

        Raises:
            InputError: a label cannot be stored; the message says which and why.
        """

    def labels(
        self,
        *,
        project: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        superseded: bool = False,
    ) -> Iterator[Label]:
        """Labels reported from ``since`` until before ``until``, by time; with ``superseded``, also those
        that no longer count."""

    def append(self, event: Event) -> Event:
        """Add a decision to the end of the chain; returns it with its sequence and digest.

        Atomic, also among processes: sequences rise by one, and each digest covers its predecessor's.

        Raises:
            InputError: the event cannot be stored.
        """

    def events(
        self, *, subject: str | None = None, kind: str | None = None, since: datetime | None = None
    ) -> Iterator[Event]:
        """The decisions in the order they were appended; those about ``m`` include those about ``m/3``."""

    def verify_events(self) -> list[str]:
        """What is wrong with the chain, a sentence for each broken link, in order; empty when it is whole.

        Finds events that were changed, removed (the last one included) or slipped in.
        """

    def close(self) -> None:
        """Let go of files and connections; closing twice is a no-op."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
