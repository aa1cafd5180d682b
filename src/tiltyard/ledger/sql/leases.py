"""Leases and notes in the ledger's database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tiltyard.errors import InputError
from tiltyard.ledger.leases import Lease, Note, assume_alive
from tiltyard.ledger.sql.database import Database, DatabaseTime
from tiltyard.ledger.sql.schema import leases, notes
from tiltyard.ledger.storable import check_text, decode_json, encode_field, from_micros, to_micros

_MICROSECOND = timedelta(microseconds=1)


class SqlLeases(DatabaseTime):
    """``Leases`` in the ledger's database, by its clock."""

    def acquire(
        self, name: str, holder: str, hold: timedelta, is_dead: Callable[[str], bool] = assume_alive
    ) -> Lease | None:
        """Take a lease for ``hold``; see ``Leases.acquire``."""
        check_text("name", name), check_text("holder", holder)
        column = leases.c
        dialect = sqlite if self._database.is_sqlite else postgresql
        with self._database.write() as connection:
            # A row that is there already is left alone; then all who ask queue on it.
            free = {"name": name, "holder": "", "turn": 0, "until_us": 0}
            connection.execute(dialect.insert(leases).on_conflict_do_nothing(), free)
            row = select(leases).where(column.name == name).with_for_update()
            found = connection.execute(row).one()
            mine = and_(column.name == name, column.turn == found.turn)
            left = found.until_us - self._read_clock(connection)
            if left > 0 and not is_dead(found.holder):
                if left > hold // _MICROSECOND:
                    # Nobody holds it for so long from now on: the clock was set back after it was taken.
                    connection.execute(update(leases).where(mine).values(until_us=self._end_of(hold)))
                return None
            changes = {"holder": holder, "turn": found.turn + 1, "until_us": self._end_of(hold)}
            connection.execute(update(leases).where(mine).values(changes))
            return Lease(name, holder, found.turn + 1)

    def renew(self, lease: Lease, hold: timedelta) -> bool:
        """Hold it for longer; see ``Leases.renew``."""
        return self._extend(lease, self._end_of(hold))

    def release(self, lease: Lease) -> None:
        """Release it; see ``Leases.release``."""
        self._extend(lease, literal(0))

    def read_clock(self) -> datetime:
        """The time by the database's clock; see ``Leases.read_clock``."""
        with self._database.read() as connection:
            return from_micros(self._read_clock(connection))

    def _extend(self, lease: Lease, until: ColumnElement[int]) -> bool:
        mine = and_(leases.c.name == lease.name, leases.c.turn == lease.turn, leases.c.until_us > 0)
        with self._database.write() as connection:
            return connection.execute(update(leases).where(mine).values(until_us=until)).rowcount == 1

    def _end_of(self, hold: timedelta) -> ColumnElement[int]:
        return self._now() + literal(hold // _MICROSECOND)


class SqlNotes:
    """``Notes`` in the ledger's database.

    Args:
        database: the ledger's.
        leases: whose clock says when a note was written.
    """

    def __init__(self, database: Database, leases: SqlLeases) -> None:
        self._database, self._leases = database, leases

    def put(self, topic: str, name: str, content: Mapping[str, Any]) -> None:
        """Write a note; see ``Notes.put``."""
        row = encode_note(topic, name, content, self._leases.read_clock())
        made = (sqlite if self._database.is_sqlite else postgresql).insert(notes).values(row)
        kept = {column: made.excluded[column] for column in ("at_us", "content")}
        with self._database.write() as connection:
            connection.execute(made.on_conflict_do_update(index_elements=["topic", "name"], set_=kept))

    def find(self, topic: str, name: str) -> Note | None:
        """The note of that topic and name, or None."""
        with self._database.read() as connection:
            row = connection.execute(select(notes).where(self._is_named(topic, name))).first()
        return None if row is None else decode_note(row._asdict())

    def select(self, topic: str) -> list[Note]:
        """The notes of a topic, by name."""
        query = select(notes).where(notes.c.topic == check_text("topic", topic)).order_by(notes.c.name)
        with self._database.read() as connection:
            return [decode_note(row._asdict()) for row in connection.execute(query)]

    def remove(self, topic: str, name: str) -> None:
        """Remove a note; see ``Notes.remove``."""
        with self._database.write() as connection:
            connection.execute(delete(notes).where(self._is_named(topic, name)))

    @staticmethod
    def _is_named(topic: str, name: str) -> ColumnElement[bool]:
        return and_(notes.c.topic == check_text("topic", topic), notes.c.name == check_text("name", name))


def encode_note(topic: str, name: str, content: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """The columns of a note.

    Raises:
        InputError: a field cannot be stored; the message names it.
    """
    try:
        encoded = encode_field("content", content)
    except ValueError as error:
        raise InputError(
            f"The note {name!r} cannot be stored: {error}.", next_step="Correct the field named."
        ) from None
    return {
        "topic": check_text("topic", topic),
        "name": check_text("name", name),
        "at_us": to_micros(at),
        "content": encoded,
    }


def decode_note(row: dict[str, Any]) -> Note:
    """The note of a row by column name."""
    return Note(row["topic"], row["name"], decode_json(row["content"]), from_micros(row["at_us"]))


def require_turn(connection: Connection, lease: Lease) -> None:
    """Make sure that a lease is still its holder's; it stays so until the transaction, which writes, ends.

    Raises:
        LeaseLostError: another holder has the lease by now, or it was released.
    """
    row = select(leases.c.turn, leases.c.until_us).where(leases.c.name == lease.name).with_for_update()
    found = connection.execute(row).one_or_none()
    if found is None or found.turn != lease.turn or not found.until_us:
        raise lease.lost_error()
