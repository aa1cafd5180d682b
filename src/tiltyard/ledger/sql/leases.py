"""Leases in the ledger's database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, literal, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tiltyard.ledger.leases import Lease, assume_alive
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.schema import leases
from tiltyard.ledger.storable import check_text, to_micros

# Microseconds since 1970. Not the time at which the transaction began: it may have waited for the row.
_POSTGRES_NOW = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
_SQLITE_NOW = "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"
_MICROSECOND = timedelta(microseconds=1)


class SqlLeases:
    """``Leases`` in the ledger's database, by its clock: the server's, or for SQLite the one of the host of its file.

    Attributes:
        clock: another clock instead, for tests and simulations; None for the database's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.clock: Callable[[], datetime] | None = None

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
            if found.until_us > self._read_clock(connection) and not is_dead(found.holder):
                return None
            mine = and_(column.name == name, column.turn == found.turn)
            changes = {"holder": holder, "turn": found.turn + 1, "until_us": self._end_of(hold)}
            connection.execute(update(leases).where(mine).values(changes))
            return Lease(name, holder, found.turn + 1)

    def renew(self, lease: Lease, hold: timedelta) -> bool:
        """Hold it for longer; see ``Leases.renew``."""
        return self._extend(lease, self._end_of(hold))

    def release(self, lease: Lease) -> None:
        """Release it; see ``Leases.release``."""
        self._extend(lease, literal(0))

    def _extend(self, lease: Lease, until: ColumnElement[int]) -> bool:
        mine = and_(leases.c.name == lease.name, leases.c.turn == lease.turn, leases.c.until_us > 0)
        with self._database.write() as connection:
            return connection.execute(update(leases).where(mine).values(until_us=until)).rowcount == 1

    def _now(self) -> ColumnElement[int]:
        if self.clock is not None:
            return literal(to_micros(self.clock()))
        return literal_column(_SQLITE_NOW if self._database.is_sqlite else _POSTGRES_NOW)

    def _read_clock(self, connection: Connection) -> int:
        return int(connection.execute(select(self._now())).scalar_one())

    def _end_of(self, hold: timedelta) -> ColumnElement[int]:
        return self._now() + literal(hold // _MICROSECOND)


def require_turn(connection: Connection, lease: Lease) -> None:
    """Make sure that a lease is still its holder's; it stays so until the transaction, which writes, ends.

    Raises:
        LeaseLostError: another holder has the lease by now, or it was released.
    """
    row = select(leases.c.turn, leases.c.until_us).where(leases.c.name == lease.name).with_for_update()
    found = connection.execute(row).one_or_none()
    if found is None or found.turn != lease.turn or not found.until_us:
        raise lease.lost_error()
