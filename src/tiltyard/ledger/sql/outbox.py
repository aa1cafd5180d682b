"""The outbox in SQL: leases are compare-and-set, so that several dispatchers may empty it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, literal, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from tiltyard.errors import InputError
from tiltyard.ledger.outbox_records import LONGEST_WAIT, DeliveryState, Notice, OutboxItem
from tiltyard.ledger.sql.database import DatabaseTime
from tiltyard.ledger.sql.schema import outbox
from tiltyard.ledger.storable import check_text, decode_json, encode_json, from_micros, to_micros

_COLUMN = outbox.c
_MICROSECOND = timedelta(microseconds=1)
_STATES: Mapping[DeliveryState, ColumnElement[bool]] = {
    "waiting": and_(_COLUMN.sent_us.is_(None), _COLUMN.due_us.is_not(None)),
    "sent": _COLUMN.sent_us.is_not(None),
    "given-up": and_(_COLUMN.sent_us.is_(None), _COLUMN.due_us.is_(None)),
}


class SqlOutbox(DatabaseTime):
    """An ``Outbox`` in the ledger's database, by its clock."""

    def enqueue(self, notices: Sequence[Notice]) -> None:
        """Store notices in one transaction; see ``Outbox.enqueue``."""
        rows = encode_notices(notices)
        with self._database.write() as connection:
            insert_notices(connection, rows)

    def lease(self, hold: timedelta, limit: int = 1) -> list[OutboxItem]:
        """Take items that are due; see ``Outbox.lease``."""
        with self._database.write() as connection:
            now = self._read_clock(connection)
            until = now + hold // _MICROSECOND
            free = or_(
                _COLUMN.leased_until_us.is_(None), _COLUMN.leased_until_us <= now, _COLUMN.leased_until_us > until
            )
            due = or_(
                _COLUMN.due_us <= now,
                and_(_COLUMN.due_us <= _COLUMN.at_us, _COLUMN.at_us > now),
                _COLUMN.due_us > now + LONGEST_WAIT // _MICROSECOND,
            )
            query = (
                select(outbox)
                .where(due, free)
                .order_by(_COLUMN.due_us, _COLUMN.id)
                .limit(limit)
                # In PostgreSQL two dispatchers pass each other; in SQLite one writer at a time is the law anyway.
                .with_for_update(skip_locked=True)
            )
            found = [row._asdict() for row in connection.execute(query)]
            for row in found:
                row["attempts"] += 1
                row["leased_until_us"] = until
                changes = {"attempts": row["attempts"], "leased_until_us": until}
                connection.execute(update(outbox).where(_COLUMN.id == row["id"]).values(changes))
        return [decode_item(row) for row in found]

    def mark_sent(self, item: OutboxItem) -> bool:
        """Note that a leased item was delivered; see ``Outbox.mark_sent``."""
        return self._end_attempt(item, {"sent_us": self._now(), "due_us": None, "error": None})

    def mark_failed(self, item: OutboxItem, error: str, wait: timedelta | None) -> bool:
        """Note that a leased item was not delivered; see ``Outbox.mark_failed``."""
        due = None if wait is None else self._now() + literal(min(wait, LONGEST_WAIT) // _MICROSECOND)
        return self._end_attempt(item, {"due_us": due, "error": storable_error(error)})

    def retry(self, ids: Sequence[str] | None = None) -> int:
        """Make items due at once; see ``Outbox.retry``."""
        matching = true() if ids is None else _COLUMN.id.in_([check_text("id", id_) for id_ in ids])
        again = update(outbox).where(_COLUMN.sent_us.is_(None), matching)
        with self._database.write() as connection:
            return connection.execute(again.values(due_us=self._now())).rowcount

    def items(self, state: DeliveryState | None = None, *, limit: int | None = None) -> list[OutboxItem]:
        """The items in the outbox, newest first; see ``Outbox.items``."""
        query = select(outbox).order_by(_COLUMN.at_us.desc(), _COLUMN.id.desc()).limit(limit)
        if state is not None:
            query = query.where(_STATES[state])
        with self._database.read() as connection:
            return [decode_item(row._asdict()) for row in connection.execute(query)]

    def _end_attempt(self, item: OutboxItem, values: Mapping[str, Any]) -> bool:
        mine = and_(
            _COLUMN.id == item.notice.id,
            _COLUMN.attempts == item.attempts,
            _COLUMN.sent_us.is_(None),
        )
        with self._database.write() as connection:
            done = connection.execute(update(outbox).where(mine).values(leased_until_us=None, **values))
            return done.rowcount == 1


def insert_notices(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert encoded notices in a transaction that is open; those known already are left alone."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(dialect.insert(outbox).on_conflict_do_nothing(), list(rows))


def encode_notices(notices: Sequence[Notice]) -> list[dict[str, Any]]:
    """Rows of the notifications, in order of their ids, so that two transactions never wait for each other in a ring.

    Raises:
        InputError: one cannot be stored; the message says which field and why.
    """
    rows = [_row(notice) for notice in notices]
    return sorted(rows, key=lambda row: str(row["id"]))


def decode_item(row: Mapping[str, Any]) -> OutboxItem:
    """The item of a row by column name."""
    leased, sent, due = row["leased_until_us"], row["sent_us"], row["due_us"]
    notice = Notice(
        topic=row["topic"],
        destination=row["destination"],
        payload=decode_json(row["payload"]),
        at=from_micros(row["at_us"]),
        due=None if due is None else from_micros(due),
        id=row["id"],
    )
    return OutboxItem(
        notice,
        attempts=row["attempts"],
        leased_until=None if leased is None else from_micros(leased),
        sent=None if sent is None else from_micros(sent),
        error=row["error"],
    )


def storable_error(error: str) -> str:
    """What went wrong, as text that any database holds: foreign servers may say anything."""
    return error.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _row(notice: Notice) -> dict[str, Any]:
    try:
        payload = encode_json(dict(notice.payload))
    except ValueError as error:
        raise InputError(
            f"The notification {notice.topic!r} to {notice.destination!r} cannot be stored: payload {error}.",
            next_step="Give the payload as plain JSON values; nothing was stored.",
            field="payload",
        ) from None
    return {
        "id": check_text("id", notice.id),
        "at_us": to_micros(notice.at),
        "topic": check_text("topic", notice.topic),
        "destination": check_text("destination", notice.destination),
        "due_us": to_micros(notice.due or notice.at, "due"),
        "attempts": 0,
        "leased_until_us": None,
        "sent_us": None,
        "error": None,
        "payload": payload,
    }
