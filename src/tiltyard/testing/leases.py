"""Leases that live in memory and die with the process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import RLock

from tiltyard.ledger import Lease
from tiltyard.ledger.leases import assume_alive
from tiltyard.ledger.storable import check_text, to_micros


class MemoryLeases:
    """``Leases`` for tests: they behave like those in SQL, among the threads of one process.

    Attributes:
        clock: what time it is; default: this host's.
    """

    def __init__(self) -> None:
        self.clock: Callable[[], datetime] | None = None
        self._lock = RLock()
        self._leases: dict[str, tuple[Lease, int]] = {}

    def acquire(
        self, name: str, holder: str, hold: timedelta, is_dead: Callable[[str], bool] = assume_alive
    ) -> Lease | None:
        """Take a lease for ``hold``; see ``Leases.acquire``."""
        check_text("name", name), check_text("holder", holder)
        with self._lock:
            now = self._now()
            before, until = self._leases.get(name, (Lease(name, "", 0), 0))
            if until > to_micros(now) and not is_dead(before.holder):
                self._leases[name] = (before, min(until, to_micros(now + hold)))
                return None
            lease = Lease(name, holder, before.turn + 1)
            self._leases[name] = (lease, to_micros(now + hold))
            return lease

    def renew(self, lease: Lease, hold: timedelta) -> bool:
        """Hold it for longer; see ``Leases.renew``."""
        return self._extend(lease, to_micros(self._now() + hold))

    def release(self, lease: Lease) -> None:
        """Release it; see ``Leases.release``."""
        self._extend(lease, 0)

    def require_turn(self, lease: Lease) -> None:
        """Make sure that the lease is still this holder's; the ledger that appends holds its lock.

        Raises:
            LeaseLostError: another holder has the lease by now, or it was released.
        """
        mine, until = self._leases.get(lease.name, (None, 0))
        if mine is None or mine.turn != lease.turn or not until:
            raise lease.lost_error()

    def _now(self) -> datetime:
        return datetime.now(UTC) if self.clock is None else self.clock()

    def _extend(self, lease: Lease, until: int) -> bool:
        with self._lock:
            mine = self._leases.get(lease.name, (None, 0))
            if mine[0] is None or mine[0].turn != lease.turn or not mine[1]:
                return False
            self._leases[lease.name] = (mine[0], until)
            return True
