"""Leases and notes that live in memory and die with the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any

from tiltyard.ledger import Lease, Note
from tiltyard.ledger.leases import assume_alive
from tiltyard.ledger.sql.leases import decode_note, encode_note
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

    def read_clock(self) -> datetime:
        """What time it is; see ``Leases.read_clock``."""
        return self._now()

    def _now(self) -> datetime:
        return datetime.now(UTC) if self.clock is None else self.clock()

    def _extend(self, lease: Lease, until: int) -> bool:
        with self._lock:
            mine = self._leases.get(lease.name, (None, 0))
            if mine[0] is None or mine[0].turn != lease.turn or not mine[1]:
                return False
            self._leases[lease.name] = (mine[0], until)
            return True


class MemoryNotes:
    """``Notes`` for tests."""

    def __init__(self, leases: MemoryLeases) -> None:
        self._lock, self._leases = RLock(), leases
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}

    def put(self, topic: str, name: str, content: Mapping[str, Any]) -> None:
        """Write a note; see ``Notes.put``."""
        row = encode_note(topic, name, content, self._leases.read_clock())
        with self._lock:
            self._rows[topic, name] = row

    def find(self, topic: str, name: str) -> Note | None:
        """The note of that topic and name, or None."""
        row = self._rows.get((check_text("topic", topic), check_text("name", name)))
        return None if row is None else decode_note(row)

    def select(self, topic: str) -> list[Note]:
        """The notes of a topic, by name."""
        with self._lock:
            rows = [row for key, row in sorted(self._rows.items()) if key[0] == topic]
        return [decode_note(row) for row in rows]

    def remove(self, topic: str, name: str) -> None:
        """Remove a note; see ``Notes.remove``."""
        with self._lock:
            self._rows.pop((topic, name), None)
