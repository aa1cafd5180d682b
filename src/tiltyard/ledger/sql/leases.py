"""Leases in the ledger's database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, and_, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tiltyard.ledger.leases import Lease, assume_alive
from tiltyard.ledger.sql.database import DatabaseTime
from tiltyard.ledger.sql.schema import leases
from tiltyard.ledger.storable import check_text

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

    def _extend(self, lease: Lease, until: ColumnElement[int]) -> bool:
        mine = and_(leases.c.name == lease.name, leases.c.turn == lease.turn, leases.c.until_us > 0)
        with self._database.write() as connection:
            return connection.execute(update(leases).where(mine).values(until_us=until)).rowcount == 1

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
