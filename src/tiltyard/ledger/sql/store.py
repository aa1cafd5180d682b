"""The ledger in SQL: SQLite on one machine, PostgreSQL among many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from operator import itemgetter
from typing import Any, TypeVar, Unpack

from sqlalchemy import ColumnElement, Row, Select, and_, delete, func, insert, or_, select, update

from tiltyard.closing import ClosedByWith
from tiltyard.errors import UnavailableError
from tiltyard.ledger.chain import broken_links, link
from tiltyard.ledger.codec import (
    NAMED_COLUMNS,
    PredictionRow,
    decode_event,
    decode_label,
    decode_named,
    decode_prediction,
    encode_event,
    encode_labels,
    encode_predictions,
)
from tiltyard.ledger.leases import Lease
from tiltyard.ledger.outbox_records import Notice
from tiltyard.ledger.ports import FindingLog, LabelRequests, LiveOutcomes, PredictionFilter
from tiltyard.ledger.prediction_stats import HourProfiles, combine_tallies
from tiltyard.ledger.records import (
    Event,
    Label,
    LabelReceipt,
    NamedPrediction,
    Prediction,
    PredictionStats,
    matches_search,
)
from tiltyard.ledger.sql.arrivals import SqlArrivals
from tiltyard.ledger.sql.batch_runs import SqlBatchRuns
from tiltyard.ledger.sql.bulk_insert import RowInserter, skipping_insert
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.filters import (
    PAGE,
    check_filters,
    fetch_pages,
    newest_label,
    prediction_conditions,
    time_conditions,
)
from tiltyard.ledger.sql.findings import SqlFindings
from tiltyard.ledger.sql.hours.counts import CountQuery, SqlCounts
from tiltyard.ledger.sql.hours.profiles import SqlProfiles
from tiltyard.ledger.sql.label_requests import SqlLabelRequests, is_requested, label_reason
from tiltyard.ledger.sql.leases import SqlLeases, SqlNotes, require_turn
from tiltyard.ledger.sql.migrations import migrate_to_newest
from tiltyard.ledger.sql.outbox import SqlOutbox, encode_notices, insert_notices
from tiltyard.ledger.sql.outcomes import SqlOutcomes
from tiltyard.ledger.sql.retention import SqlRetention, begin_arrival
from tiltyard.ledger.sql.schema import chain, events, labels, predictions
from tiltyard.ledger.storable import FIRST_MICROS, check_text, from_micros

_PREDICTION = tuple(predictions.columns)
_LABEL = (labels.c.prediction_id, labels.c.at_us, labels.c.label, labels.c.source)
_NAMED = tuple(predictions.c[name] for name in NAMED_COLUMNS)
_IDS_AT_ONCE = 500
_Found = TypeVar("_Found", Prediction, tuple[Prediction, Label])
# In the transaction that makes it, it goes again.
_PROBE = PredictionRow("probe", 0, "", "", "", "", 0.0, 0.0, None, "{}", "{}")


class SqlLedger(ClosedByWith):
    """A ``Ledger`` in an SQL database. Made by ``SqlLedger.open``; use it in a ``with`` block or close it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.outbox = SqlOutbox(database)
        self.leases = SqlLeases(database)
        self.notes = SqlNotes(database, self.leases)
        self.retention = SqlRetention(database)
        self.arrivals = SqlArrivals(database)
        self.batch_runs = SqlBatchRuns(database)
        self._rows = RowInserter(database, predictions.name, [column.name for column in _PREDICTION])
        self._insert_predictions = skipping_insert(database, predictions, _PREDICTION)
        self._insert_labels = skipping_insert(database, labels, _LABEL)
        self._findings = SqlFindings(database)
        self._counts = SqlCounts(database)
        self._profiles = SqlProfiles(database, self._counts)
        self._outcomes = SqlOutcomes(database)
        self._label_requests = SqlLabelRequests(database)

    @classmethod
    def open(cls, url: str) -> SqlLedger:
        """Open the ledger at an SQLAlchemy URL, and make or migrate it where that is needed.

        Args:
            url: ``sqlite:////path/to/ledger.db`` (its folder is made) or ``postgresql://user@host/database``.

        Raises:
            UsageError: the URL cannot be understood, or names a database that is not supported.
            UnavailableError: the database cannot be reached, is damaged, or is a newer Tiltyard's.
        """
        database = Database.connect(url)
        try:
            migrate_to_newest(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @property
    def findings(self) -> FindingLog:
        """Findings of monitoring runs."""
        return self._findings

    @property
    def profiles(self) -> HourProfiles:
        """Profiles of past hours."""
        return self._profiles

    @property
    def outcomes(self) -> LiveOutcomes:
        """How champion and challenger did on labelled rows."""
        return self._outcomes

    @property
    def label_requests(self) -> LabelRequests:
        """Which predictions were put into labelling queues, and why."""
        return self._label_requests

    def record(self, predictions: Sequence[Prediction]) -> None:
        """Store all predictions in one transaction; see ``Ledger.record``."""
        self.record_rows(encode_predictions(predictions))

    def record_rows(self, rows: Sequence[PredictionRow]) -> None:
        """Store encoded predictions in one transaction; see ``Ledger.record_rows``."""
        if not rows:
            return
        if self._database.is_sqlite:
            self._rows.insert(rows)
            return
        # In one order everywhere: two transactions with the same ids then wait for each other, never in a ring.
        ordered = sorted(rows, key=itemgetter(0))
        with self._database.write() as connection:
            connection.exec_driver_sql(self._insert_predictions, ordered)

    def check_writable(self) -> None:
        """Write and sync a row that nobody sees; see ``Ledger.check_writable``."""
        if self._database.is_sqlite:
            self._rows.insert_and_delete(_PROBE)
            return
        with self._database.write() as connection:
            connection.exec_driver_sql(self._insert_predictions, [_PROBE])
            connection.execute(delete(predictions).where(predictions.c.id == _PROBE.id))

    def prediction(self, id: str) -> Prediction | None:  # noqa: A002 - the field's own name
        """The prediction of that id, or None."""
        rows = self._fetch(select(*_PREDICTION).where(predictions.c.id == check_text("id", id)))
        return decode_prediction(rows[0]) if rows else None

    def predictions(self, **filters: Unpack[PredictionFilter]) -> Iterator[Prediction]:
        """The selected predictions; see ``Ledger.predictions``."""
        checked = check_filters(**filters)
        rows = self._select_predictions(select(*_PREDICTION), checked)
        return _keep_found(map(decode_prediction, rows), checked)

    def labelled_predictions(self, **filters: Unpack[PredictionFilter]) -> Iterator[tuple[Prediction, Label]]:
        """The selected predictions and whose truth is known; see ``Ledger.labelled_predictions``."""
        known = and_(labels.c.prediction_id == predictions.c.id, newest_label())
        named = [column.label(f"label_{column.name}") for column in _LABEL]
        query = select(*_PREDICTION, *named, label_reason().label("label_reason")).join_from(predictions, labels, known)
        width = len(_PREDICTION)
        checked = check_filters(**filters)
        pairs = (
            (decode_prediction(row[:width]), decode_label(row[width:-1], row[-1]))
            for row in self._select_predictions(query, checked)
        )
        return _keep_found(pairs, checked)

    def prediction_stats(
        self,
        model_name: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        shadow: bool = False,
    ) -> PredictionStats:
        """A summary of predictions; see ``Ledger.prediction_stats``."""
        return combine_tallies(self._counts.tally(CountQuery(model_name, since, until, shadow)))

    def find_predictions(
        self, *, ids: Sequence[str] = (), keys: Sequence[str] = (), model_name: str | None = None
    ) -> list[NamedPrediction]:
        """The predictions with these ids and keys; see ``Ledger.find_predictions``."""
        found: dict[str, NamedPrediction] = {}
        for column, values, shadow in ((predictions.c.id, ids, True), (predictions.c.key, keys, False)):
            matching = prediction_conditions(check_filters(project=model_name, shadow=shadow))
            wanted = list(dict.fromkeys(check_text(column.name, value) for value in values))
            for batch in _split_into_batches(wanted):
                query = select(*_NAMED).where(column.in_(batch), *matching)
                found.update((row[0], decode_named(row)) for row in self._fetch(query))
        return sorted(found.values(), key=lambda prediction: (prediction.at, prediction.id))

    def record_labels(self, labels: Sequence[Label]) -> LabelReceipt:
        """Store what was reported, in one transaction; see ``Ledger.record_labels``."""
        rows = encode_labels(labels)
        if not rows:
            return LabelReceipt(accepted=0)
        with self._database.write() as connection:
            begin_arrival(connection)
            known: set[str] = set()
            for batch in _split_into_batches(list({row[0] for row in rows})):
                known.update(connection.scalars(select(predictions.c.id).where(predictions.c.id.in_(batch))))
            accepted = [row for row in rows if row[0] in known]
            if accepted:
                connection.exec_driver_sql(self._insert_labels, accepted)
        unknown = dict.fromkeys(row[0] for row in rows if row[0] not in known)
        return LabelReceipt(accepted=len(accepted), unknown=tuple(unknown))

    def keep_labels(self, labels: Sequence[Label]) -> None:
        """Store labels of predictions that may be elsewhere: what a spool does with those it hands on."""
        rows = encode_labels(labels)
        if rows:
            with self._database.write() as connection:
                connection.exec_driver_sql(self._insert_labels, rows)

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
        query = select(*_LABEL, label_reason().label("reason"), labels.c.sequence).where(
            *time_conditions(labels.c.at_us, since, until)
        )
        if not superseded:
            query = query.where(newest_label())
        if requested:
            query = query.where(is_requested())
        if prediction_id is not None:
            query = query.where(labels.c.prediction_id == check_text("prediction_id", prediction_id))
        if model_name is not None:
            query = query.join_from(labels, predictions, labels.c.prediction_id == predictions.c.id)
            query = query.where(*prediction_conditions(check_filters(project=model_name)))
        rows = fetch_pages(self._fetch, query, (labels.c.at_us, labels.c.sequence))
        return (decode_label(row[:4], row.reason) for row in rows)

    def newest_label_times(self, ids: Sequence[str]) -> dict[str, datetime]:
        """The times of the labels that count; see ``Ledger.newest_label_times``."""
        found: dict[str, datetime] = {}
        for batch in _split_into_batches(list(dict.fromkeys(check_text("id", id_) for id_ in ids))):
            about = select(labels.c.prediction_id, func.max(labels.c.at_us)).where(labels.c.prediction_id.in_(batch))
            found.update((row[0], from_micros(row[1])) for row in self._fetch(about.group_by(labels.c.prediction_id)))
        return found

    def append(self, event: Event, notices: Sequence[Notice] = (), *, lease: Lease | None = None) -> Event:
        """Add a decision to the end of the chain; see ``Ledger.append``."""
        row, leaving = encode_event(event), encode_notices(notices)
        with self._database.write() as connection:
            if lease is not None:
                require_turn(connection, lease)
            # Among processes, writers queue here: on this row in PostgreSQL, on the file in SQLite.
            ends = connection.execute(select(chain.c.sequence, chain.c.digest).with_for_update()).all()
            last = connection.scalar(select(func.max(events.c.sequence))) or 0
            if len(ends) != 1 or ends[0].sequence < last:
                raise _broken_chain_error(len(ends))
            end = ends[0]
            row["sequence"] = end.sequence + 1
            row["digest"] = link(end.digest, row)
            connection.execute(insert(events), row)
            connection.execute(update(chain).values(sequence=row["sequence"], digest=row["digest"]))
            insert_notices(connection, leaving)
        return decode_event(row)

    def events(
        self, *, subject: str | None = None, kind: str | None = None, since: datetime | None = None, after: int = 0
    ) -> Iterator[Event]:
        """The decisions in the order they were appended; see ``Ledger.events``."""
        query = select(events).where(*time_conditions(events.c.at_us, since, None))
        if subject is not None:
            query = query.where(_subject_condition(check_text("subject", subject)))
        if kind is not None:
            query = query.where(events.c.kind == check_text("kind", kind))
        if after:
            query = query.where(events.c.sequence > after)
        return (decode_event(row._asdict()) for row in fetch_pages(self._fetch, query, (events.c.sequence,)))

    def verify_events(self) -> list[str]:
        """What is wrong with the chain; see ``Ledger.verify_events``."""
        with self._database.read(snapshot=True) as connection:
            ends = connection.execute(select(chain.c.sequence, chain.c.digest)).all()
            if not ends:
                return ["The record of where the chain ends is missing."]
            if len(ends) > 1:
                return [f"The end of the chain is recorded {len(ends)} times: all but one were inserted."]
            end = ends[0]
            in_order = select(events).order_by(events.c.sequence)
            with connection.execution_options(yield_per=PAGE).execute(in_order) as stored:
                return broken_links((row._asdict() for row in stored), end.sequence, end.digest)

    def close(self) -> None:
        """Close all connections; closing twice is a no-op."""
        self._rows.close()
        self._database.close()

    def _fetch(self, query: Select[Any]) -> Sequence[Row[Any]]:
        with self._database.read() as connection:
            return connection.execute(query).all()

    def _select_predictions(self, query: Select[Any], filters: PredictionFilter) -> Iterator[Row[Any]]:
        conditions = prediction_conditions(filters)
        if filters.get("key") is None:
            # Every row has such a time. SQLite 3.53 reads and sorts the whole table for the newest row without it.
            conditions.append(predictions.c.at_us >= FIRST_MICROS)
        return fetch_pages(
            self._fetch,
            query.where(*conditions),
            (predictions.c.at_us, predictions.c.id),
            descending=filters.get("newest_first", False),
            # What a search narrows is searched once more: the limit counts what is found.
            limit=None if filters.get("search") else filters.get("limit"),
        )


def _keep_found(rows: Iterator[_Found], filters: PredictionFilter) -> Iterator[_Found]:
    """Those rows that a search finds."""
    search = filters.get("search")
    if not search:
        return rows
    found = (row for row in rows if matches_search(row if isinstance(row, Prediction) else row[0], search))
    return islice(found, filters.get("limit"))


def _broken_chain_error(ends: int) -> UnavailableError:
    noted = "before its last event" if ends == 1 else "nowhere" if ends == 0 else "more than once"
    return UnavailableError(
        f"The chain of decisions is broken, so none is added to it: its end is noted {noted}.",
        next_step="See what was changed: tiltyard history --verify; then compare the ledger with a backup.",
        code="ledger.tampered",
    )


def _subject_condition(subject: str) -> ColumnElement[bool]:
    # "0" is the character after "/": a range that an index serves, and LIKE would need escapes.
    below = and_(events.c.subject > f"{subject}/", events.c.subject < f"{subject}0")
    return or_(events.c.subject == subject, below)


def _split_into_batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _IDS_AT_ONCE] for start in range(0, len(values), _IDS_AT_ONCE))
