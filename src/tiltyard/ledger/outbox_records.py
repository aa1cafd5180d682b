"""Pending notifications, and the port of the outbox that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from tiltyard.ledger.records import new_id

DeliveryState = Literal["waiting", "sent", "given-up"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification for one destination.

    Attributes:
        topic: what it is about, for receivers that sort: ``model.promoted``, ``alert.raised`` …
        destination: name of the destination, as the project file has it.
        payload: the content, a JSON object: ``title``, ``text``, ``link`` and ``data`` are read by every sender.
        at: when it arose.
        due: earliest time of sending; default: at once.
        id: a notification is enqueued once per id; receivers recognise a repeated delivery by it.
    """

    topic: str
    destination: str
    payload: Mapping[str, Any]
    at: datetime
    due: datetime | None = None
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A notification in the outbox, and the state of its delivery.

    Attributes:
        notice: what is sent; its ``due`` is when the next attempt may begin, None when there is none.
        attempts: attempts begun so far; also names the lease: an older attempt can no longer settle the item.
        leased_until: until when a dispatcher holds it; None when none does.
        sent: when it was delivered; None when it was not.
        error: why the last attempt failed.
    """

    notice: Notice
    attempts: int = 0
    leased_until: datetime | None = None
    sent: datetime | None = None
    error: str | None = None

    @property
    def state(self) -> DeliveryState:
        """Whether it waits, was sent, or was given up."""
        if self.sent is not None:
            return "sent"
        return "given-up" if self.notice.due is None else "waiting"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "id": self.notice.id,
            "topic": self.notice.topic,
            "destination": self.notice.destination,
            "state": self.state,
            "at": self.notice.at,
            "due": self.notice.due,
            "attempts": self.attempts,
            "sent": self.sent,
            "error": self.error,
            "payload": dict(self.notice.payload),
        }


LONGEST_WAIT = timedelta(days=1)
"""How long a failed item waits at most before it is tried again."""


class Outbox(Protocol):
    """A durable queue of notices, emptied by any number of dispatchers.

    Delivery is at least once: a dispatcher that dies between delivery and ``sent`` leaves an item that is
    delivered again when its lease is over, under the same id. Never do two dispatchers hold one item at a time, as
    long as leases are longer than deliveries. Must be safe to use from several threads and processes.

    Time is what the database says it is: nothing depends on the clocks of the hosts that share it. Where its own clock
    was set back, no item waits for a time that only the earlier clock could reach: one that arose later
    than now and has not failed is due, a wait longer than ``LONGEST_WAIT`` is over, and so is a lease that would last
    longer than any taken now.
    """

    def enqueue(self, notices: Sequence[Notice]) -> None:
        """Store notices in one transaction; one whose id is known already is left as it is.

        Raises:
            InputError: one cannot be stored; nothing of the call was.
        """

    def lease(self, hold: timedelta, limit: int = 1) -> list[OutboxItem]:
        """Take at most ``limit`` items that are due, the longest due first, for ``hold``."""

    def mark_sent(self, item: OutboxItem) -> bool:
        """Note that a leased item was delivered; False if the lease was lost to another attempt."""

    def mark_failed(self, item: OutboxItem, error: str, wait: timedelta | None) -> bool:
        """Note that a leased item was not delivered: to be tried again after ``wait``, or given up (None).

        It waits ``LONGEST_WAIT`` at most. False if the lease was lost to another attempt.
        """

    def retry(self, ids: Sequence[str] | None = None) -> int:
        """Make items that wait or were given up due at once: all of them, or those named; how many."""

    def items(self, state: DeliveryState | None = None, *, limit: int | None = None) -> list[OutboxItem]:
        """The items in the outbox, newest first; sent items stay for the record."""
