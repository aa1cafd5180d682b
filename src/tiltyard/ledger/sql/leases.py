"""Leases in the ledger's database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tiltyard.ledger.leases import Lease, assume_alive
from tiltyard.ledger.sql.database import Database
from tiltyard.ledger.sql.schema import leases
from tiltyard.ledger.storable import check_text, to_micros


class SqlLeases:
    """``Leases`` in the ledger's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(
        self,
        name: str,
        holder: str,
        now: datetime,
        hold: timedelta,
        is_dead: Callable[[str], bool] = assume_alive,
    ) -> Lease | None:
        """Take a lease for ``hold``; see ``Leases.acquire``."""
        check_text("name", name), check_text("holder", holder)
        moment, until = to_micros(now, "now"), to_micros(now + hold, "now")
        column = leases.c
        dialect = sqlite if self._database.is_sqlite else postgresql
        with self._database.write() as connection:
            # A row that is there already is left alone; then all who ask queue on it.
            free = {"name": name, "holder": "", "turn": 0, "until_us": 0}
            connection.execute(dialect.insert(leases).on_conflict_do_nothing(), free)
            found = connection.execute(select(leases).where(column.name == name).with_for_update()).one()
            if found.until_us > moment and not is_dead(found.holder):
                return None
            mine = and_(column.name == name, column.turn == found.turn)
            changes = {"holder": holder, "turn": found.turn + 1, "until_us": until}
            connection.execute(update(leases).where(mine).values(changes))
            return Lease(name, holder, found.turn + 1)

    def renew(self, lease: Lease, now: datetime, hold: timedelta) -> bool:
        """Hold it for longer; see ``Leases.renew``."""
        return self._extend(lease, to_micros(now + hold, "now"))

    def release(self, lease: Lease) -> None:
        """Release it; see ``Leases.release``."""
        self._extend(lease, 0)

    def _extend(self, lease: Lease, until_us: int) -> bool:
        mine = and_(leases.c.name == lease.name, leases.c.turn == lease.turn, leases.c.until_us > 0)
        with self._database.write() as connection:
            return connection.execute(update(leases).where(mine).values(until_us=until_us)).rowcount == 1
