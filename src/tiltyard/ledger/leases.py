"""Leases: the right to do what only one may do at a time, among threads, processes and hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do something alone for a while.

    Attributes:
        name: what may be done.
        holder: which process has it, for people.
        turn: rises with each new holder, which tells an earlier holder apart.
    """

    name: str
    holder: str
    turn: int


def assume_alive(holder: str) -> bool:
    """Where nothing is known of a holder, it counts as alive."""
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
        is_dead: Callable[[str], bool] = assume_alive,
    ) -> Lease | None:
        """Take a lease for ``hold``; None while another has it.

        ``is_dead`` says whether a holder is known to be gone, so that its lease need not run out.
        """

    def renew(self, lease: Lease, now: datetime, hold: timedelta) -> bool:
        """Hold it for ``hold`` from now; False if another holder has it by now, or it was released."""

    def release(self, lease: Lease) -> None:
        """Release it; a lease that another holder has by now is a no-op."""
