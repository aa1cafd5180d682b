"""The port of the ledger: what other packages may ask of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import Protocol, Self, TypedDict, Unpack

from tiltyard.ledger.arrivals import Arrivals
from tiltyard.ledger.batch_runs import BatchRuns
from tiltyard.ledger.codec import PredictionRow
from tiltyard.ledger.leases import Lease, Leases, Notes
from tiltyard.ledger.outbox_records import Notice, Outbox
from tiltyard.ledger.prediction_stats import HourProfiles
from tiltyard.ledger.records import (
    Event,
    FindingRecord,
    Label,
    LabelReceipt,
    LabelRequest,
    NamedPrediction,
    Prediction,
    PredictionStats,
    ShadowOutcome,
    ShadowOutcomes,
    SplitOutcome,
)


class PredictionFilter(TypedDict, total=False):
    """Which predictions are matching. A key that is absent or None does not narrow.

    Attributes:
        project: name of the registered model.
        since: made at or after this time.
        until: made before this time.
        version: registry version that made it.
        route: which alias made it.
        shadow: False leaves out what a challenger predicted unseen (route ``shadow``); default: included.
        key: the caller's own key.
        list_items: with a key also the items of a list that was sent with it, ``KEY/0`` and on; default: not.
        search: words that its input, label, version or id hold, all of them, in any case.
        limit: at most so many.
        newest_first: latest first; default: earliest first.
    """

    project: str | None
    since: datetime | None
    until: datetime | None
    search: str | None
    version: str | None
    route: str | None
    shadow: bool
    key: str | None
    list_items: bool
    limit: int | None
    newest_first: bool


class LabelFilter(TypedDict, total=False):
    """Which labels match; ``superseded``: also those that were replaced; ``requested``: only of labelling queues."""

    model_name: str | None
    since: datetime | None
    until: datetime | None
    superseded: bool
    requested: bool
    prediction_id: str | None


class FindingFilter(TypedDict, total=False):
    """Which findings are matching. A key that is absent or None does not narrow.

    Attributes:
        project: name of the registered model.
        version: registry version that it is about.
        code: its code, or the beginning of codes that ends in a dot (``drift.``).
        subject: what it is about.
        severity: its severity.
        status: its status.
        since: seen at or after this time.
        until: seen before this time.
        limit: at most so many.
        newest_first: latest first; default: earliest first.
    """

    project: str | None
    version: str | None
    code: str | None
    subject: str | None
    severity: str | None
    status: str | None
    since: datetime | None
    until: datetime | None
    limit: int | None
    newest_first: bool


class FindingLog(Protocol):
    """The findings of monitoring runs. As safe for threads and processes as the ledger it belongs to."""

    def record(self, findings: Sequence[FindingRecord]) -> None:
        """Store all findings in one transaction. A finding whose id is known already is left as it is.

        Raises:
            InputError: a finding cannot be stored; the message names the field; nothing was stored.
        """

    def select(self, **filters: Unpack[FindingFilter]) -> Iterator[FindingRecord]:
        """The selected findings, by time and then id, read a page at a time."""

    def latest(self, **filters: Unpack[FindingFilter]) -> list[FindingRecord]:
        """Of the selected findings, the newest of each project, code and subject; newest first."""


class Retention(Protocol):
    """Removal of data from a ledger. Part of it; the events say what was removed, when and why.

    What was removed stays so where a spool brings it later, see ``Arrivals``, known by a digest and when it was made.
    What is recorded later under the same id or key is another prediction.
    """

    def erase(self, ids: Sequence[str]) -> int:
        """Remove predictions, their labels, the shadow predictions for the same inputs, and what of them was set aside.

        Returns:
            How many predictions are gone. Unknown ids may still come.
        """

    def redact(self, ids: Sequence[str], reason: str, group_key: str | None = None) -> int:
        """Put a marker in the place of inputs, and remove the callers' keys; predictions and labels stay.

        Which of these rows belong together stays known too: units and groups get random names, the same for all rows
        of one unit or group in this call.

        Args:
            ids: the predictions.
            reason: why; it is what the marker holds.
            group_key: under which key a table's input names its group, as of ``LiveOutcomes.list_shadow_units``.

        Returns:
            How many predictions were changed.
        """

    def prune(self, model_name: str, before: datetime) -> int:
        """Remove a model's predictions from before a time, also those still to come; returns how many are gone."""

    def withdraw_label(self, prediction_id: str, source: str) -> Label | None:
        """Remove the label of a prediction that counts, if it has this source; the one before counts again.

        Returns the label that counted, gone or not; None where the prediction has no label.
        """

    def bar(
        self, model_name: str, keys: Sequence[str], redaction: str | None = None, group_key: str | None = None
    ) -> int:
        """Erase what is still to come of a model's predictions with these keys, and of the items of their lists.

        Those that the ledger holds stay. With ``redaction``, a reason, what comes is redacted as ``redact`` does it.
        Returns how many records with these keys had been set aside; they are removed.
        """


class LabelRequests(Protocol):
    """Which predictions were put into labelling queues, and why. Part of a ledger."""

    def record(self, requests: Sequence[LabelRequest]) -> None:
        """Store requests, in one transaction. A prediction is stored once for each queue.

        Raises:
            InputError: a request cannot be stored; the message says which and why; nothing was stored.
        """

    def select(self, *, model_name: str | None = None, since: datetime | None = None) -> Iterator[LabelRequest]:
        """The requests for predictions of a model from queues made at or after ``since``, by time, then prediction."""


Became = Mapping[str, str | None]
"""Of classes that training knew as rare: the class that each became, None where it was set aside."""

NO_RARE_CLASSES: Became = MappingProxyType({})


class LiveOutcomes(Protocol):
    """How two versions that predict for the same traffic compare, by the labels that came since. Part of a ledger.

    A number is never simply right. With an ``error_cap``, in the unit of the label, a row is right by 1 less the share
    that its absolute error, at most the cap, has of the cap. Rows where one of the two cannot be read so are left out.
    """

    def count_shadow(
        self, model_name: str, challenger: str, *, since: datetime | None = None, became: Became = NO_RARE_CLASSES
    ) -> ShadowOutcomes:
        """Of the champion's labelled predictions that the challenger made in shadow too: which version was right.

        Labels that were requested for another reason than ``random`` do not count. A row of the route ``shadow`` has
        the id of the champion's prediction as its key. Rows of which it is not known with which others they came
        (neither row has a unit) are counted apart, and listed nowhere.

        Args:
            model_name: name of the registered model.
            challenger: the challenger's version.
            since: only predictions made at or after this time.
            became: of classes that training knew as rare, the class that they became, which is right for them too;
                None where they were set aside: their labels are not counted where neither version predicts them.
        """

    def list_shadow_units(
        self,
        model_name: str,
        challenger: str,
        *,
        since: datetime | None = None,
        became: Became = NO_RARE_CLASSES,
        group_key: str | None = None,
        error_cap: float | None = None,
    ) -> Sequence[ShadowOutcome]:
        """Of the rows of ``count_shadow`` those that have a unit, in the order in which their first labels came.

        With an ``error_cap``, one without a unit is a request by itself. With a ``group_key``, the unit of an input
        that names its group under this key is the group: like a caller it may come again. All its rows are one unit.
        """

    def list_split(
        self,
        model_name: str,
        challenger: str,
        *,
        since: datetime | None = None,
        became: Became = NO_RARE_CLASSES,
        error_cap: float | None = None,
    ) -> Sequence[SplitOutcome]:
        """The labelled predictions whose unit was assigned to the champion or to this challenger.

        In the order in which the ledger received the first label of each, whatever times the labels have. Rows whose
        version the caller named, or that were predicted while no challenger was in service, have no assignment.
        Labels that were requested for another reason than ``random`` do not count.
        """


class Ledger(Protocol):
    """The durable record of predictions, labels and decisions.

    Must be safe to use from several threads and, where it is shared, from several processes. Times are instants: they
    must carry a time zone when they go in, and come out in UTC with their microseconds.

    Text is Unicode without lone surrogates (they cannot be written as UTF-8), and outside of inputs and evidence
    without NUL; anything else, to store or to look for, is refused with an ``InputError`` that names the field, and
    nothing of that call is stored. Inputs and evidence are JSON values: numbers come back exact, NaN and infinities
    included; tuples come back as lists, times as text. Every method may raise ``UnavailableError`` while the ledger
    cannot be reached.
    """

    @property
    def findings(self) -> FindingLog:
        """Findings of monitoring runs."""

    @property
    def profiles(self) -> HourProfiles:
        """Profiles of past hours."""

    @property
    def retention(self) -> Retention:
        """Removal of data."""

    @property
    def arrivals(self) -> Arrivals:
        """What comes from spools."""

    @property
    def outcomes(self) -> LiveOutcomes:
        """How champion and challenger did on labelled rows."""

    @property
    def batch_runs(self) -> BatchRuns:
        """Tables that were scored as a whole."""

    @property
    def label_requests(self) -> LabelRequests:
        """Which predictions were put into labelling queues, and why."""

    def record(self, predictions: Sequence[Prediction]) -> None:
        """Store all predictions in one transaction; they are durable when this returns.

        A prediction whose id is known already is left as it is: recording twice is recording once.

        Raises:
            InputError: a prediction cannot be stored; the message says which and why.
        """

    def record_rows(self, rows: Sequence[PredictionRow]) -> None:
        """Like ``record``, of predictions that are encoded already (``codec.encode_predictions``): servers use it."""

    def check_writable(self) -> None:
        """Do all that ``record_rows`` does, and leave nothing; raises what keeps predictions from being recorded."""

    def prediction(self, id: str) -> Prediction | None:  # noqa: A002 - the field's own name
        """The prediction of that id, or None."""

    def predictions(self, **filters: Unpack[PredictionFilter]) -> Iterator[Prediction]:
        """The selected predictions, by time and then id, read a page at a time.

        Predictions that are recorded while this runs may or may not be among them; none comes twice.
        """

    def labelled_predictions(self, **filters: Unpack[PredictionFilter]) -> Iterator[tuple[Prediction, Label]]:
        """Like ``predictions``, but only those whose truth is known, each with the label that counts."""

    def prediction_stats(
        self,
        model_name: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        shadow: bool = False,
    ) -> PredictionStats:
        """A summary of the predictions that callers received from ``since`` until before ``until``.

        With ``shadow``, also of what a challenger predicted unseen (route ``shadow``).
        """

    def find_predictions(
        self, *, ids: Sequence[str] = (), keys: Sequence[str] = (), model_name: str | None = None
    ) -> list[NamedPrediction]:
        """The predictions that have one of the ids or of the callers' own keys, by time and then id, each once.

        Args:
            ids: ids of predictions; those that the ledger does not hold are passed over.
            keys: the callers' own; one may lead to several predictions. What was predicted in the shadow has none.
            model_name: only predictions of this registered model.
        """

    def record_labels(self, labels: Sequence[Label]) -> LabelReceipt:
        """Store what was reported, in one transaction. The same report twice is stored once.

        All reports about a prediction are kept. That of the newest ``at`` counts; of the same, that reported last.

        Raises:
            InputError: a label cannot be stored; the message says which and why.
        """

    def labels(self, **filters: Unpack[LabelFilter]) -> Iterator[Label]:
        """The selected labels by the time of their report, of each prediction the one that counts."""

    def newest_label_times(self, ids: Sequence[str]) -> dict[str, datetime]:
        """The times of the labels that count, by the ids of those of these predictions that have one."""

    @property
    def outbox(self) -> Outbox:
        """The pending notifications; it closes with the ledger."""

    @property
    def leases(self) -> Leases:
        """The leases of work that only one process may do at a time; they close with the ledger."""

    @property
    def notes(self) -> Notes:
        """What programs keep between their runs."""

    def append(self, event: Event, notices: Sequence[Notice] = (), *, lease: Lease | None = None) -> Event:
        """Add a decision to the end of the chain; returns it with its sequence and digest.

        The notifications go into the outbox in the same transaction: both happen or neither. With ``lease``, nothing is
        appended once another holder has it: that is decided in the same transaction too.

        Atomic, also among processes: sequences rise by one, and each digest covers its predecessor's.

        Raises:
            InputError: the event or a notification cannot be stored.
            LeaseLostError: another holder has the lease by now, or it was released.
        """

    def events(
        self, *, subject: str | None = None, kind: str | None = None, since: datetime | None = None, after: int = 0
    ) -> Iterator[Event]:
        """The decisions in the order they were appended; those about ``m`` include those about ``m/3``.

        Args:
            subject: a model, or one of its versions.
            kind: kind of the events.
            since: earliest time, UTC.
            after: sequence number; only events that were appended after that one.
        """

    def verify_events(self) -> list[str]:
        """A sentence for each broken link: events that were changed, removed (the last one too) or inserted."""

    def close(self) -> None:
        """Release files and connections; closing twice is a no-op."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
