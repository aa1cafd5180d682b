"""Holding a lease that only one process has at a time, and the next one soon after that process died."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from tiltyard.errors import UnavailableError
from tiltyard.ledger.leases import Lease, LeaseLostError, Leases
from tiltyard.processes.process_identity import current_holder, is_gone

HOLD = timedelta(minutes=2)
"""How long a lease lasts without a sign of life: longer than a ledger's hiccup."""
_PAUSE_SECONDS = 0.1


class LeaseGuard:
    """A lease that a thread keeps alive.

    Attributes:
        lease: the lease, on whose turn what is done may depend (``Ledger.append``).

    Args:
        leases: the ledger's.
        lease: the lease, just acquired.
        hold: how long it lasts without being renewed.
        acquired_at: when it was requested, by this process's clock that only rises; default: now.
    """

    def __init__(self, leases: Leases, lease: Lease, hold: timedelta = HOLD, acquired_at: float | None = None) -> None:
        self.lease = lease
        self._leases, self._hold = leases, hold
        self._ended = threading.Event()
        # From before the request on: it ends here before it can end in the database.
        self._until = (time.monotonic() if acquired_at is None else acquired_at) + hold.total_seconds()
        self._lost = False
        self._thread = threading.Thread(target=self._keep_alive, name="lease-guard", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Make sure that the lease is still ours, as far as is known here.

        Raises:
            LeaseLostError: it is not, or the ledger was unreachable for longer than the lease lasts.
        """
        if self._lost or time.monotonic() >= self._until:
            raise self.lease.lost_error()

    def renew(self) -> None:
        """Ask the ledger whether the lease is still ours, and extend it; just before an effect that only one may have.

        Raises:
            LeaseLostError: it is not.
            UnavailableError: the ledger is away.
        """
        now = time.monotonic()
        if self._leases.renew(self.lease, self._hold):
            self._until = now + self._hold.total_seconds()
        else:
            self._lost = True
        self.check()

    def end(self) -> None:
        """Stop renewing it, and release it; where the ledger is away, it runs out."""
        self._ended.set()
        self._thread.join()
        if not self._lost:
            with suppress(UnavailableError):
                self._leases.release(self.lease)

    def _keep_alive(self) -> None:
        while not self._ended.wait(self._hold.total_seconds() / 4):
            try:
                self.renew()
            except LeaseLostError:
                return
            except UnavailableError:
                continue  # the lease lasts a while without us; check() knows until when


@contextmanager
def hold_lease(
    leases: Leases, name: str, *, hold: timedelta = HOLD, patience_seconds: float = 0.0
) -> Iterator[LeaseGuard | None]:
    """Hold a lease while the block lasts; None where another process has it.

    Args:
        leases: the ledger's.
        name: of the lease.
        hold: how long it lasts without being renewed.
        patience_seconds: how long to wait for another process to release it.

    Raises:
        UnavailableError: the ledger is away.
    """
    requested_at = time.monotonic()
    deadline = requested_at + patience_seconds
    while (lease := leases.acquire(name, current_holder(), hold, is_gone)) is None:
        if time.monotonic() >= deadline:
            break
        time.sleep(_PAUSE_SECONDS)
        requested_at = time.monotonic()
    if lease is None:
        yield None
        return
    guard = LeaseGuard(leases, lease, hold, requested_at)
    try:
        yield guard
    finally:
        guard.end()
