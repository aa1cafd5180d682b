"""What is done every so often, once among all processes, and not sooner because a process was started anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tiltyard.ledger import Lease, Leases


@dataclass
class Schedule:
    """Something that is due every so often. Its last run is in the ledger: a lease that lasts until the next one.

    Attributes:
        leases: the ledger's.
        name: what it is.
        every: the time from one run to the next.
        holder: who runs it, for people.
    """

    leases: Leases
    name: str
    every: timedelta
    holder: str

    def begin(self) -> Lease | None:
        """The right to run it now; None while it is not due, here or anywhere."""
        return self.leases.acquire(f"schedule/{self.name}", self.holder, self.every)

    def retry_soon(self, lease: Lease, again: timedelta) -> None:
        """Make it due again soon, after a run that failed."""
        self.leases.renew(lease, min(again, self.every))
