"""A ledger in two places: predictions are stored here at once, and shipped to the central ledger later.

A server must not wait for a database on the network, and must not lose predictions while that is unreachable. Each
worker commits to its own SQLite file, the spool; ``spool_shipper`` moves the rows on, exactly once by their id.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, Unpack

from tiltyard.closing import ClosedByWith
from tiltyard.errors import UnavailableError
from tiltyard.ledger.arrivals import Arrivals
from tiltyard.ledger.batch_runs import BatchRuns
from tiltyard.ledger.codec import NAMED_COLUMNS, PredictionRow, decode_named, decode_prediction
from tiltyard.ledger.leases import Lease, Leases, Notes
from tiltyard.ledger.outbox_records import Notice, Outbox
from tiltyard.ledger.ports import (
    FindingLog,
    LabelFilter,
    LabelRequests,
    Ledger,
    LiveOutcomes,
    PredictionFilter,
    Retention,
)
from tiltyard.ledger.prediction_stats import HourProfiles
from tiltyard.ledger.records import SHADOW, Event, Label, LabelReceipt, NamedPrediction, Prediction, PredictionStats
from tiltyard.ledger.spools.room import check_room
from tiltyard.ledger.sql.store import SqlLedger
from tiltyard.ledger.storable import check_text, from_micros
from tiltyard.sqlite import SQLITE_ERRORS, SqliteConnection, open_read_only

log = logging.getLogger(__name__)

# A central ledger that could not be opened is not tried again before: no caller waits for it twice.
RETRY_SECONDS = 2.0
_ADDED = ("unit", "assignment")
"""Columns that the spool of an earlier build may lack: nothing but its worker, if it still has one, migrates it."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the central ledger is behind.

    Attributes:
        rows: predictions, labels and events that wait to be shipped.
        oldest: when the oldest waiting prediction was made, UTC; None if none waits.
        unreadable: spools, or their folder, that cannot be read, so that what waits there is not counted.
    """

    rows: int = 0
    oldest: datetime | None = None
    unreadable: tuple[Path, ...] = ()


class CentralLedger:
    """The central ledger, opened when it is needed first; safe to use from several threads.

    Args:
        connect: opens it.
    """

    def __init__(self, connect: Callable[[], Ledger]) -> None:
        self._connect = connect
        self._lock = Lock()
        self._ledger: Ledger | None = None
        self._failed: tuple[float, UnavailableError] | None = None

    def get(self) -> Ledger:
        """The ledger.

        Raises:
            UnavailableError: it cannot be opened now.
        """
        with self._lock:
            if self._ledger is not None:
                return self._ledger
            if self._failed is not None and monotonic() - self._failed[0] < RETRY_SECONDS:
                raise self._failed[1]
            try:
                self._ledger = self._connect()
            except UnavailableError as error:
                self._failed = monotonic(), error
                raise
            return self._ledger

    def close(self) -> None:
        """Close it, if it was opened."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None


class SpooledLedger(ClosedByWith):
    """A ``Ledger`` whose predictions are durable in its own spool; the rest is in the central ledger.

    Predictions are found by id and key wherever they are: in this spool, in others of this host, in the central
    ledger. Lists, summaries and decisions come from the central ledger, so that they lack what has not been shipped.

    Args:
        own: the spool of this process.
        folder: the folder of all spools of this host.
        central: the central ledger.
    """

    def __init__(self, own: SqlLedger, folder: Path, central: CentralLedger) -> None:
        self._own = own
        self._folder = folder
        self._central = central

    @classmethod
    def open(cls, folder: Path, name: str, connect: Callable[[], Ledger]) -> SpooledLedger:
        """Open the spool of that name, making it where there is none; the central ledger may be unreachable.

        Raises:
            UnavailableError: the spool cannot be opened.
        """
        return cls(SqlLedger.open(f"sqlite:///{folder / name}.db"), folder, CentralLedger(connect))

    @property
    def findings(self) -> FindingLog:
        """Findings, centrally."""
        return self._central.get().findings

    @property
    def profiles(self) -> HourProfiles:
        """Profiles of past hours, centrally."""
        return self._central.get().profiles

    @property
    def batch_runs(self) -> BatchRuns:
        """Batch runs, centrally."""
        return self._central.get().batch_runs

    @property
    def outbox(self) -> Outbox:
        """The pending notifications, centrally."""
        return self._central.get().outbox

    @property
    def leases(self) -> Leases:
        """The leases, centrally."""
        return self._central.get().leases

    @property
    def notes(self) -> Notes:
        """What programs keep between their runs, centrally."""
        return self._central.get().notes

    @property
    def outcomes(self) -> LiveOutcomes:
        """How champion and challenger did on labelled rows, centrally."""
        return self._central.get().outcomes

    @property
    def label_requests(self) -> LabelRequests:
        """Which predictions were put into labelling queues, centrally."""
        return self._central.get().label_requests

    @property
    def arrivals(self) -> Arrivals:
        """What comes from spools, centrally."""
        return self._central.get().arrivals

    @property
    def retention(self) -> Retention:
        """Retention, centrally."""
        return self._central.get().retention

    def record(self, predictions: Sequence[Prediction]) -> None:
        """Store predictions in the spool; see ``Ledger.record``."""
        check_room(self._folder)
        self._own.record(predictions)

    def record_rows(self, rows: Sequence[PredictionRow]) -> None:
        """Store encoded predictions in the spool; see ``Ledger.record_rows``."""
        check_room(self._folder)
        self._own.record_rows(rows)

    def check_writable(self) -> None:
        """Write to the spool, and leave nothing; see ``Ledger.check_writable``."""
        check_room(self._folder)
        self._own.check_writable()

    def probe(self) -> None:
        """Check that the spool can be read, which predictions need.

        Raises:
            UnavailableError: it cannot be read.
        """
        self._own.prediction("")

    def lag(self) -> Lag:
        """What waits to be shipped, in all spools of this host."""
        return measure_lag(self._folder)

    def prediction(self, id: str) -> Prediction | None:  # noqa: A002 - the field's own name
        """The prediction of that id, wherever it is; see ``Ledger.prediction``."""
        return self._own.prediction(id) or self._find_in_other_spools(id) or self._central.get().prediction(id)

    def predictions(self, **filters: Unpack[PredictionFilter]) -> Iterator[Prediction]:
        """The predictions that were shipped; see ``Ledger.predictions``."""
        return self._central.get().predictions(**filters)

    def labelled_predictions(self, **filters: Unpack[PredictionFilter]) -> Iterator[tuple[Prediction, Label]]:
        """The predictions that were shipped and whose truth is known; see ``Ledger.labelled_predictions``."""
        return self._central.get().labelled_predictions(**filters)

    def prediction_stats(
        self,
        model_name: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        shadow: bool = False,
    ) -> PredictionStats:
        """A summary of what was shipped; see ``Ledger.prediction_stats``."""
        return self._central.get().prediction_stats(model_name, since, until, shadow=shadow)

    def find_predictions(
        self, *, ids: Sequence[str] = (), keys: Sequence[str] = (), model_name: str | None = None
    ) -> list[NamedPrediction]:
        """The predictions with these ids and keys, wherever they are; see ``Ledger.find_predictions``.

        While the central ledger is unreachable, those of the spools are enough where they account for every id and key.
        """
        found = {row.id: row for row in self._own.find_predictions(ids=ids, keys=keys, model_name=model_name)}
        found |= self._find_named_in_spools([id_ for id_ in ids if id_ not in found], keys, model_name)
        try:
            shipped = self._central.get().find_predictions(
                ids=[id_ for id_ in ids if id_ not in found], keys=keys, model_name=model_name
            )
        except UnavailableError:
            if {*ids} <= found.keys() and {*keys} <= {row.key for row in found.values()}:
                shipped = []
            else:
                raise
        together = {**found, **{row.id: row for row in shipped}}
        return sorted(together.values(), key=lambda prediction: (prediction.at, prediction.id))

    def record_labels(self, labels: Sequence[Label]) -> LabelReceipt:
        """Store what was reported: in the central ledger if it can be reached and knows the prediction, else here.

        While the central ledger is unreachable no id can be checked: labels are stored here, and shipped once their
        predictions are known.
        """
        try:
            receipt = self._central.get().record_labels(labels)
        except UnavailableError:
            self._own.keep_labels(labels)
            return LabelReceipt(accepted=len(labels))
        spooled = {id_ for id_ in receipt.unknown if self._own.prediction(id_) or self._find_in_other_spools(id_)}
        later = [label for label in labels if label.prediction_id in spooled]
        self._own.keep_labels(later)
        unknown = tuple(id_ for id_ in receipt.unknown if id_ not in spooled)
        return LabelReceipt(accepted=receipt.accepted + len(later), unknown=unknown)

    def labels(self, **filters: Unpack[LabelFilter]) -> Iterator[Label]:
        """Labels that were shipped; see ``Ledger.labels``."""
        return self._central.get().labels(**filters)

    def newest_label_times(self, ids: Sequence[str]) -> dict[str, datetime]:
        """The times of the labels that count, wherever they are; while the central ledger is away, those here."""
        try:
            found = self._central.get().newest_label_times(ids)
        except UnavailableError:
            found = {}
        query = "SELECT prediction_id, at_us FROM labels WHERE prediction_id IN (SELECT value FROM json_each(?))"
        for rows in self._query_spools(query, (json.dumps(list(ids)),)):
            for id_, at in rows:
                found[id_] = max(from_micros(at), found.get(id_, from_micros(at)))
        return found

    def append(self, event: Event, notices: Sequence[Notice] = (), *, lease: Lease | None = None) -> Event:
        """Add a decision to the central chain; while that is unreachable, keep it in the spool (sequence 0, no digest).

        Raises:
            UnavailableError: it is unreachable, and there are notices, which only it can send, or a lease, which only
                it knows.
            LeaseLostError: another holder has the lease by now.
        """
        try:
            return self._central.get().append(event, notices, lease=lease)
        except UnavailableError:
            if notices or lease is not None:
                raise
            self._own.append(event)
            return event

    def events(
        self, *, subject: str | None = None, kind: str | None = None, since: datetime | None = None, after: int = 0
    ) -> Iterator[Event]:
        """The central decisions; see ``Ledger.events``."""
        return self._central.get().events(subject=subject, kind=kind, since=since, after=after)

    def verify_events(self) -> list[str]:
        """What is wrong with the central chain; see ``Ledger.verify_events``."""
        return self._central.get().verify_events()

    def close(self) -> None:
        """Close spool and central ledger; closing twice is a no-op."""
        self._own.close()
        self._central.close()

    def _find_in_other_spools(self, id_: str) -> Prediction | None:
        query = "SELECT {columns} FROM predictions WHERE id = ?"
        rows = next(filter(None, self._query_spools(query, (check_text("id", id_),))), None)
        return decode_prediction(rows[0]) if rows else None

    def _find_named_in_spools(
        self, ids: Sequence[str], keys: Sequence[str], model_name: str | None
    ) -> dict[str, NamedPrediction]:
        """The predictions with these ids and keys in any spool of this host, by id."""
        if not ids and not keys:
            return {}
        # The lists are JSON, so that no number of them is too large for a query.
        query = (
            f"SELECT {', '.join(NAMED_COLUMNS)} FROM predictions WHERE (? IS NULL OR project = ?) AND "  # noqa: S608
            "(id IN (SELECT value FROM json_each(?)) OR key IN (SELECT value FROM json_each(?)) AND route <> ?)"
        )
        arguments = (model_name, model_name, json.dumps(list(ids)), json.dumps(list(keys)), SHADOW)
        rows = [row for found in self._query_spools(query, arguments) for row in found]
        return {row[0]: decode_named(row) for row in rows}

    def _query_spools(self, query: str, arguments: Sequence[str | None]) -> Iterator[list[tuple[Any, ...]]]:
        """What each spool of this host that can be read has to a query; ``{columns}`` are those of predictions."""
        for file in list_spools(self._folder):
            try:
                with closing(open_read_only(file)) as connection:
                    filled = query.replace("{columns}", stored_columns(connection))
                    rows: list[tuple[Any, ...]] = connection.execute(filled, arguments).fetchall()
            except SQLITE_ERRORS as error:
                log.warning("The spool %s cannot be read: %s", file, error)
                continue
            yield rows


def list_spools(folder: Path) -> list[Path]:
    """The files of all spools in a folder.

    Raises:
        UnavailableError: the folder cannot be read.
    """
    try:
        return sorted(folder.glob("*.db"))
    except OSError as error:
        raise folder_error(folder, error) from None


def folder_error(folder: Path, error: OSError) -> UnavailableError:
    """The error of a folder of spools that cannot be used."""
    return UnavailableError(
        f"The folder of the spools {folder} cannot be used: {error.strerror or error}.",
        next_step="Check the disk and its permissions; what waits in the spools stays there.",
        code="ledger.away",
    )


def stored_columns(spool: SqliteConnection) -> str:
    """The columns of a spool's predictions, for a query, in the order of ``PredictionRow``."""
    known = {str(row[1]) for row in spool.execute("PRAGMA table_info(predictions)")}
    return ", ".join("NULL" if name in _ADDED and name not in known else name for name in PredictionRow._fields)


def measure_lag(folder: Path) -> Lag:
    """What waits in all spools of a folder."""
    rows, oldest, unreadable = 0, None, []
    try:
        files = list_spools(folder)
    except UnavailableError:
        return Lag(unreadable=(folder,))
    for file in files:
        try:
            with closing(open_read_only(file)) as connection:
                count, first = connection.execute("SELECT count(*), min(at_us) FROM predictions").fetchone()
                for table in ("labels", "events"):
                    count += connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        except SQLITE_ERRORS:
            unreadable.append(file)
            continue
        rows += count
        oldest = first if oldest is None or (first is not None and first < oldest) else oldest
    return Lag(rows, None if oldest is None else from_micros(oldest), tuple(unreadable))
