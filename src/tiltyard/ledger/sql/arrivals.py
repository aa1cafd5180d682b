"""What comes from spools, in SQL."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, or_, select, update

from tiltyard.ledger.arrivals import (
    ArrivalCount,
    ArrivalReceipt,
    Erasure,
    SetAsideRecord,
    SortedArrivals,
    describe_difference,
    digest_id,
    list_digests,
    read_instant,
    redact_input,
    set_aside_row,
    sort_arrivals,
)
from tiltyard.ledger.codec import PredictionRow
from tiltyard.ledger.records import SHADOW
from tiltyard.ledger.sql.bulk_insert import later_of, skipping_insert, upserting_insert
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.filters import fetch_pages
from tiltyard.ledger.sql.retention import (
    begin_arrival,
    begin_removal,
    find_erasures,
    forget_profiles,
    note_erasures,
    overwrite_deleted,
    remove_rows,
)
from tiltyard.ledger.sql.schema import erasures, kept_out, predictions, pruned, set_aside
from tiltyard.ledger.storable import check_text, encode_json, from_micros, make_storable, to_micros

_PREDICTION = tuple(predictions.columns)
_AT_ONCE = 500
# Written out, like the inserts: SQLAlchemy's own work for two statements would be a tenth of a shipment.
_ANYTHING_GONE = f"SELECT EXISTS (SELECT 1 FROM {erasures.name}), EXISTS (SELECT 1 FROM {pruned.name})"  # noqa: S608


class SqlArrivals:
    """``Arrivals`` of an SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = skipping_insert(database, predictions, _PREDICTION)

    def receive(self, rows: Sequence[PredictionRow], origin: str) -> ArrivalReceipt:
        """Store predictions that may be stored; see ``Arrivals.receive``."""
        if not rows:
            return ArrivalReceipt()
        with self._database.write() as connection:
            begin_arrival(connection)
            if _nothing_is_gone(connection):
                meant = SortedArrivals([*rows])
            else:
                meant = sort_arrivals(rows, _list_erasures(connection, rows), _list_pruned(connection))
                _count_kept_out(connection, meant)
                _follow_shadows(connection, meant.named)
            differing = self._store(connection, meant.rows, origin)
            _insert_set_aside(connection, differing)
        left_out = sum(rows for (_, reason), rows in meant.kept_out.items() if reason != "redacted")
        return ArrivalReceipt(len(differing), left_out)

    def find_erased(self, ids: Collection[str]) -> set[str]:
        """Those ids that were erased; see ``Arrivals.find_erased``."""
        digests = {digest_id(id_): id_ for id_ in ids}
        with self._database.read() as connection:
            found = find_erasures(connection, digests.keys())
        return {digests[digest] for digest, every in found.items() if any(one.redaction is None for one in every)}

    def keep(self, records: Sequence[SetAsideRecord]) -> None:
        """Set records aside; see ``Arrivals.keep``."""
        if records:
            with self._database.write() as connection:
                begin_arrival(connection)
                _insert_set_aside(connection, records)

    def select(self, *, model_name: str | None = None) -> Iterator[SetAsideRecord]:
        """What was set aside; see ``Arrivals.select``."""
        query = select(*set_aside.c).where(*_of_model(set_aside.c.project, model_name))
        rows = fetch_pages(self._fetch, query, (set_aside.c.at_us, set_aside.c.id))
        return map(_decode_set_aside, rows)

    def count(self, *, model_name: str | None = None) -> list[ArrivalCount]:
        """How many came and were not stored; see ``Arrivals.count``."""
        column, aside = kept_out.c, set_aside.c
        removed = select(column.project, column.reason, column.rows, column.last_us)
        kept = select(aside.project, aside.reason, func.count(), func.max(aside.at_us))
        found = [
            *self._fetch(kept.where(*_of_model(aside.project, model_name)).group_by(aside.project, aside.reason)),
            *self._fetch(removed.where(*_of_model(column.project, model_name))),
        ]
        counts = [ArrivalCount(project, reason, rows, from_micros(last)) for project, reason, rows, last in found]
        return sorted(counts, key=attrgetter("project", "reason"))

    def discard(self, ids: Sequence[str]) -> int:
        """Remove what was set aside; see ``Arrivals.discard``."""
        checked = [check_text("id", id_) for id_ in dict.fromkeys(ids)]
        gone = 0
        for start in range(0, len(checked), _AT_ONCE):
            with self._database.write() as connection:
                begin_removal(connection)
                batch = set_aside.c.id.in_(checked[start : start + _AT_ONCE])
                gone += connection.execute(delete(set_aside).where(batch)).rowcount
        return gone

    def _store(self, connection: Connection, rows: Sequence[PredictionRow], origin: str) -> list[SetAsideRecord]:
        """Insert rows; those that differ from what is there with their ids."""
        if not rows:
            return []
        # In one order everywhere: two transactions with the same ids then wait for each other, never in a ring.
        ordered = sorted(rows, key=attrgetter("id"))
        stored = connection.exec_driver_sql(self._insert, ordered)
        if stored.rowcount == len(ordered):
            return []
        # Compared after inserting: a row that another transaction stored meanwhile is seen too.
        there: dict[str, PredictionRow] = {}
        for start in range(0, len(ordered), _AT_ONCE):
            ids = [row.id for row in ordered[start : start + _AT_ONCE]]
            found = connection.execute(select(*_PREDICTION).where(predictions.c.id.in_(ids)))
            there.update((row[0], PredictionRow._make(row)) for row in found)
        differing = []
        for row in ordered:
            names = describe_difference(there[row.id], row)
            if names:
                message = f"The ledger holds another prediction with this id; they differ in: {names}."
                differing.append(set_aside_row(row, "differs", message, origin))
        return differing

    def _fetch(self, query: Select[Any]) -> Sequence[Row[Any]]:
        with self._database.read() as connection:
            return connection.execute(query).all()


def _nothing_is_gone(connection: Connection) -> bool:
    """Whether nothing was ever erased, redacted or pruned, as in most ledgers; one statement for each shipment."""
    found = connection.exec_driver_sql(_ANYTHING_GONE).one()
    return not found[0] and not found[1]


def _list_erasures(connection: Connection, rows: Sequence[PredictionRow]) -> Mapping[str, Sequence[Erasure]]:
    """What is known as erased or redacted of these rows."""
    return find_erasures(connection, set(chain.from_iterable(map(list_digests, rows))))


def _list_pruned(connection: Connection) -> dict[str, int]:
    rows = connection.execute(select(pruned.c.project, pruned.c.before_us)).all()
    return {str(project): int(before) for project, before in rows}


def _count_kept_out(connection: Connection, meant: SortedArrivals) -> None:
    now = time.time_ns() // 1000
    for (project, reason), rows in sorted(meant.kept_out.items()):
        new = upserting_insert(connection, kept_out).values(project=project, reason=reason, rows=rows, last_us=now)
        values = {
            "rows": kept_out.c.rows + new.excluded.rows,
            "last_us": later_of(new.excluded.last_us, kept_out.c.last_us),
        }
        connection.execute(new.on_conflict_do_update(index_elements=["project", "reason"], set_=values))


def _follow_shadows(connection: Connection, named: Mapping[str, Erasure]) -> None:
    """Do with the shadows of rows that were known by their keys what became of these rows."""
    note_erasures(connection, {digest_id(id_): erasure for id_, erasure in named.items()})
    column = predictions.c
    for id_, erasure in named.items():
        matching = select(column.id).where(column.key == id_, column.route == SHADOW, column.at_us <= erasure.until_us)
        shadows = list(connection.scalars(matching))
        if not shadows:
            continue
        overwrite_deleted(connection)
        forget_profiles(connection, shadows)
        if erasure.redaction is None:
            remove_rows(connection, shadows)
        else:
            marker = encode_json(redact_input(erasure.redaction))
            connection.execute(update(predictions).where(column.id.in_(shadows)).values(input=marker))


def _insert_set_aside(connection: Connection, records: Sequence[SetAsideRecord]) -> None:
    rows = [_encode_set_aside(record) for record in sorted(records, key=attrgetter("id"))]
    if rows:
        connection.execute(upserting_insert(connection, set_aside).on_conflict_do_nothing(), rows)


def _encode_set_aside(record: SetAsideRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "at_us": to_micros(record.at),
        "kind": record.kind,
        "reason": record.reason,
        "project": make_storable(record.project),
        "key": None if record.key is None else make_storable(record.key),
        "made_us": None if record.made is None else to_micros(record.made),
        "origin": make_storable(record.origin),
        "subject": make_storable(record.subject),
        "message": make_storable(record.message),
        # Half a surrogate pair is left as JSON writes it: behind a backslash.
        "content": json.dumps(record.content, ensure_ascii=False, default=repr)
        .encode("utf-8", "backslashreplace")
        .decode(),
    }


def _decode_set_aside(row: Row[Any]) -> SetAsideRecord:
    return SetAsideRecord(
        id=row.id,
        at=from_micros(row.at_us),
        kind=row.kind,
        reason=row.reason,
        message=row.message,
        origin=row.origin,
        subject=row.subject,
        project=row.project,
        key=row.key,
        made=read_instant(row.made_us),
        content=json.loads(row.content),
    )


def _of_model(column: ColumnElement[str], model_name: str | None) -> list[ColumnElement[bool]]:
    return [] if model_name is None else [or_(column == check_text("project", model_name), column == "")]
