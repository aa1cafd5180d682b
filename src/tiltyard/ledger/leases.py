"""Leases: who does what only one may do at a time, among threads, processes and hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


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
