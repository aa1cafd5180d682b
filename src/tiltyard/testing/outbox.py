"""An outbox that lives in memory and dies with the process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any

from tiltyard.ledger import DeliveryState, Notice, OutboxItem
from tiltyard.ledger.outbox_records import LONGEST_WAIT
from tiltyard.ledger.sql.outbox import decode_item, encode_notices, storable_error
from tiltyard.ledger.storable import check_text, to_micros


class MemoryOutbox:
    """An ``Outbox`` for tests: it behaves like the one in SQL, and keeps nothing on disk.

    Attributes:
        clock: what time it is; default: this host's.
    """

    def __init__(self, lock: RLock | None = None) -> None:
        self.clock: Callable[[], datetime] | None = None
        self._lock = lock or RLock()
        self._rows: dict[str, dict[str, Any]] = {}

    def enqueue(self, notices: Sequence[Notice]) -> None:
        """Keep notices; see ``Outbox.enqueue``."""
        rows = encode_notices(notices)
        with self._lock:
            for row in rows:
                self._rows.setdefault(row["id"], row)

    def lease(self, hold: timedelta, limit: int = 1) -> list[OutboxItem]:
        """Take items that are due; see ``Outbox.lease``."""
        with self._lock:
            now, longest = self._now(), LONGEST_WAIT
            until = to_micros(now + hold)
            due = [
                row
                for row in self._rows.values()
                if row["due_us"] is not None
                and (
                    row["due_us"] <= to_micros(now)
                    or row["due_us"] <= row["at_us"] > to_micros(now)
                    or row["due_us"] > to_micros(now + longest)
                )
                and not to_micros(now) < (row["leased_until_us"] or 0) <= until
            ]
            due.sort(key=lambda row: (row["due_us"], row["id"]))
            for row in due[:limit]:
                row["attempts"] += 1
                row["leased_until_us"] = until
            return [decode_item(row) for row in due[:limit]]

    def mark_sent(self, item: OutboxItem) -> bool:
        """Note that a leased item was delivered; see ``Outbox.mark_sent``."""
        return self._end_attempt(item, sent_us=to_micros(self._now()), due_us=None, error=None)

    def mark_failed(self, item: OutboxItem, error: str, wait: timedelta | None) -> bool:
        """Note that a leased item was not delivered; see ``Outbox.mark_failed``."""
        due = None if wait is None else to_micros(self._now() + min(wait, LONGEST_WAIT))
        return self._end_attempt(item, due_us=due, error=storable_error(error))

    def retry(self, ids: Sequence[str] | None = None) -> int:
        """Make items due at once; see ``Outbox.retry``."""
        wanted = None if ids is None else {check_text("id", id_) for id_ in ids}
        with self._lock:
            meant = [
                row for row in self._rows.values() if row["sent_us"] is None and (wanted is None or row["id"] in wanted)
            ]
            for row in meant:
                row["due_us"] = to_micros(self._now())
        return len(meant)

    def items(self, state: DeliveryState | None = None, *, limit: int | None = None) -> list[OutboxItem]:
        """The items in the outbox, newest first; see ``Outbox.items``."""
        with self._lock:
            rows = sorted(self._rows.values(), key=lambda row: (row["at_us"], row["id"]), reverse=True)
            found = [decode_item(row) for row in rows]
        return [item for item in found if state in (None, item.state)][:limit]

    def _now(self) -> datetime:
        return datetime.now(UTC) if self.clock is None else self.clock()

    def _end_attempt(self, item: OutboxItem, **values: Any) -> bool:
        with self._lock:
            row = self._rows.get(item.notice.id)
            if row is None or row["attempts"] != item.attempts or row["sent_us"] is not None:
                return False
            row.update(values, leased_until_us=None)
            return True
