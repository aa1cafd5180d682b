"""Leases: the right to do what only one may do at a time, among threads, processes and hosts; and what these note."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from tiltyard.errors import TiltyardError


class LeaseLostError(TiltyardError):
    """Another process has taken over; this one must stop."""

    code = "response.lease-lost"


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

    def lost_error(self) -> LeaseLostError:
        """The error of a process that had this lease, and whose turn is over."""
        return LeaseLostError(
            f"Another process has taken over {self.name}.", next_step="Nothing: the other process continues the work."
        )


def assume_alive(holder: str) -> bool:
    """Where nothing is known of a holder, it counts as alive."""
    del holder
    return False


class Leases(Protocol):
    """Leases by name. Time is what the database says it is: nothing depends on the clocks of the hosts that share it.

    Must be safe to use from several threads and processes.
    """

    def acquire(
        self, name: str, holder: str, hold: timedelta, is_dead: Callable[[str], bool] = assume_alive
    ) -> Lease | None:
        """Take a lease for ``hold``; None while another has it.

        A lease that would last longer than ``hold`` from now on, as the database's clock was set back since it was
        taken, is cut to ``hold``: however far a clock was ahead, nobody waits longer than that.

        ``is_dead`` says whether a holder is known to be gone, so that its lease need not run out.
        """

    def renew(self, lease: Lease, hold: timedelta) -> bool:
        """Hold it for ``hold`` from now; False if another holder has it by now, or it was released."""

    def release(self, lease: Lease) -> None:
        """Release it; a lease that another holder has by now is a no-op."""

    def read_clock(self) -> datetime:
        """The time by the database's clock, UTC."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a program keeps between its runs, such as when a schedule is due next.

    Attributes:
        topic: what notes belong together.
        name: which of them it is.
        content: what is kept, as JSON values.
        at: when it was written, by the database's clock, UTC.
    """

    topic: str
    name: str
    content: Mapping[str, Any]
    at: datetime


class Notes(Protocol):
    """Notes by topic and name. As safe for threads and processes as the ledger that they belong to."""

    def put(self, topic: str, name: str, content: Mapping[str, Any]) -> None:
        """Write a note; it takes the place of an earlier one of that topic and name.

        Raises:
            InputError: it cannot be stored; the message names the field.
        """

    def find(self, topic: str, name: str) -> Note | None:
        """The note of that topic and name, or None."""

    def select(self, topic: str) -> list[Note]:
        """The notes of a topic, by name."""

    def remove(self, topic: str, name: str) -> None:
        """Remove a note; one that is gone is a no-op."""
