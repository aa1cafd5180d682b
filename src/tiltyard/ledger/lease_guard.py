"""Holding a lease that only one process has at a time, and the next one soon after that process died."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tiltyard.errors import TiltyardError, UnavailableError
from tiltyard.ledger.leases import Lease, Leases
from tiltyard.ledger.process_identity import current_holder, is_gone

HOLD = timedelta(minutes=2)
"""How long a lease lasts without a sign of life: longer than a ledger's hiccup."""


class LeaseLostError(TiltyardError):
    """Another process has taken over; this one must stop."""

    code = "response.lease-lost"


class LeaseGuard:
    """A lease that is kept alive in the background."""

    def __init__(self, leases: Leases, lease: Lease) -> None:
        self._leases, self._lease = leases, lease
        self._ended = threading.Event()
        self._until = datetime.now(UTC) + HOLD
        self._lost = False
        self._thread = threading.Thread(target=self._keep_alive, name="response-lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Make sure that the lease is still ours.

        Raises:
            LeaseLostError: it is not, or the ledger was unreachable for longer than the lease lasts.
        """
        if self._lost or datetime.now(UTC) >= self._until:
            raise LeaseLostError(
                f"Another process has taken over {self._lease.name}.",
                next_step="Nothing: the other process continues the work.",
            )

    def end(self) -> None:
        """Stop renewing it, and release it."""
        self._ended.set()
        self._thread.join()
        if not self._lost:
            self._leases.release(self._lease)

    def _keep_alive(self) -> None:
        while not self._ended.wait(HOLD.total_seconds() / 4):
            now = datetime.now(UTC)
            try:
                if not self._leases.renew(self._lease, now, HOLD):
                    self._lost = True
                    return
            except UnavailableError:
                continue  # the lease lasts a while without us; check() knows until when
            self._until = now + HOLD


@contextmanager
def hold_lease(leases: Leases, name: str) -> Iterator[LeaseGuard | None]:
    """Hold a lease while the block lasts; None where another process has it."""
    lease = leases.acquire(name, current_holder(), datetime.now(UTC), HOLD, is_gone)
    if lease is None:
        yield None
        return
    holding = LeaseGuard(leases, lease)
    try:
        yield holding
    finally:
        holding.end()
