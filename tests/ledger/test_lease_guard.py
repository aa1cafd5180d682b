"""A held lease is renewed, noticed when it is lost, and released."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from tiltyard.ledger import Lease, LeaseLostError, Leases, hold_lease
from tiltyard.testing import MemoryLedger

HOLD = timedelta(milliseconds=400)


class CountingLeases:
    """Leases that report when one was renewed for the third time."""

    def __init__(self, inner: Leases) -> None:
        self.acquire, self.release, self.read_clock = inner.acquire, inner.release, inner.read_clock
        self._inner, self._renewals = inner, 0
        self.renewed_thrice = threading.Event()

    def renew(self, lease: Lease, hold: timedelta) -> bool:
        self._renewals += 1
        if self._renewals == 3:
            self.renewed_thrice.set()
        return self._inner.renew(lease, hold)


def test_a_lease_is_held_by_one_until_the_block_ends() -> None:
    """A second process gets None while the block lasts, and the lease after it."""
    leases = MemoryLedger().leases
    with hold_lease(leases, "loop") as first, hold_lease(leases, "loop") as second:
        assert first is not None
        assert second is None
    with hold_lease(leases, "loop") as later:
        assert later is not None


def test_a_lease_is_kept_alive_longer_than_it_lasts() -> None:
    """While the block lasts, a thread renews the lease again and again."""
    leases = CountingLeases(MemoryLedger().leases)
    with hold_lease(leases, "loop", hold=HOLD) as guard:
        assert guard is not None
        assert leases.renewed_thrice.wait(30)
        guard.renew()


def test_a_lost_lease_is_noticed_before_the_next_effect() -> None:
    """After another process has taken over, renew raises, and check raises from then on."""
    leases = MemoryLedger().leases
    with hold_lease(leases, "loop") as guard:
        assert guard is not None
        assert leases.acquire("loop", "somebody else", HOLD, lambda _holder: True) is not None
        guard.check()
        for ask in (guard.renew, guard.check):
            with pytest.raises(LeaseLostError):
                ask()


def test_a_patient_process_gets_the_lease_when_it_is_released() -> None:
    """With patience, hold_lease waits for the release instead of giving up."""
    leases = MemoryLedger().leases
    waiting = threading.Event()

    def hold() -> None:
        with hold_lease(leases, "loop") as guard:
            assert guard is not None
            held.set()
            waiting.wait(30)

    held = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(30)
    threading.Timer(0.2, waiting.set).start()
    with hold_lease(leases, "loop", patience_seconds=30) as guard:
        assert guard is not None
    holder.join()
