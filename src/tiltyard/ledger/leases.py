"""Leases: who does what only one may do at a time, among threads, processes and hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tiltyard.ledger.codec import check_text, to_micros
from tiltyard.ledger.database import Database
from tiltyard.ledger.schema import leases


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do something alone for a while.

    Attributes:
        name: what it is the right to.
        holder: who has it, for people.
        turn: rises with each new holder, so that an earlier one can be told from it.
    """

    name: str
    holder: str
    turn: int


def nobody_knows(holder: str) -> bool:
    """For those who cannot tell whether a holder is gone: none is known to be."""
    del holder
    return False


class Leases(Protocol):
    """Leases by name. Hosts that share them should have clocks that agree within seconds.

    Must be safe to use from several threads and processes.
    """

    def acquire(
        self,
        name: str,
        holder: str,
        now: datetime,
        hold: timedelta,
        is_dead: Callable[[str], bool] = nobody_knows,
    ) -> Lease | None:
        """Take a lease for ``hold``; None while another has it.

        ``is_dead`` tells of a holder whether it is known to be gone, so that its lease need not run out.
        """

    def renew(self, lease: Lease, now: datetime, hold: timedelta) -> bool:
        """Hold it for ``hold`` from now; False if it has gone to another, or was released."""

    def release(self, lease: Lease) -> None:
        """Let it go; a lease that has gone to another already is a no-op."""


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
        is_dead: Callable[[str], bool] = nobody_knows,
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
            taken = {"holder": holder, "turn": found.turn + 1, "until_us": until}
            connection.execute(update(leases).where(mine).values(taken))
            return Lease(name, holder, found.turn + 1)

    def renew(self, lease: Lease, now: datetime, hold: timedelta) -> bool:
        """Hold it for longer; see ``Leases.renew``."""
        return self._extend(lease, to_micros(now + hold, "now"))

    def release(self, lease: Lease) -> None:
        """Let it go; see ``Leases.release``."""
        self._extend(lease, 0)

    def _extend(self, lease: Lease, until_us: int) -> bool:
        mine = and_(leases.c.name == lease.name, leases.c.turn == lease.turn, leases.c.until_us > 0)
        with self._database.write() as connection:
            return connection.execute(update(leases).where(mine).values(until_us=until_us)).rowcount == 1
