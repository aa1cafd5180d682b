"""The dispatcher: delivers the items of the outbox that are due, and retries those that failed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tiltyard.ledger import Outbox, OutboxItem
from tiltyard.notifications.ports import DELIVERY_TIMEOUT_SECONDS, DeliveryError, Sender

LEASE_TIME = timedelta(seconds=3 * DELIVERY_TIMEOUT_SECONDS)
"""How long a dispatcher holds an item: longer than any delivery, so that no two deliver it at the same time."""


@dataclass(frozen=True)
class Backoff:
    """How long to wait after a failed attempt, and when to give up.

    The wait doubles with each attempt, from ``first`` to ``longest``; of it, a random part of up to a half is taken
    off, so that items that failed together are not retried together (Brooker, "Exponential backoff and jitter", 2015).

    Attributes:
        first: wait after the first attempt.
        longest: greatest wait.
        give_up: a notification older than this is given up when an attempt fails.
    """

    first: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(hours=1)
    give_up: timedelta = timedelta(days=3)

    def next_wait(
        self, item: OutboxItem, now: datetime, jitter: float, requested_wait: timedelta | None = None
    ) -> timedelta | None:
        """How long to wait until the next attempt; None to give up.

        Args:
            item: what failed, with the attempts begun so far.
            now: when the attempt began.
            jitter: in [0, 1): half of it is the share of the wait that is taken off.
            requested_wait: the least wait, by request of the receiver.
        """
        if now - item.notice.at >= self.give_up:
            return None
        doublings = min(item.attempts - 1, 40)
        wait = min(self.first.total_seconds() * 2**doublings, self.longest.total_seconds())
        jittered = timedelta(seconds=wait * (1 - jitter / 2))
        return max(jittered, requested_wait or timedelta())


@dataclass(frozen=True)
class DispatchResult:
    """How many items were sent, failed for now, and were given up."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0


class Dispatcher:
    """Delivers what is due. Any number of dispatchers may share an outbox, in any number of processes.

    Args:
        outbox: the items.
        senders: by the name of the destination.
        backoff: when to retry.
        jitter: a random number in [0, 1) for each failure.
    """

    def __init__(
        self,
        outbox: Outbox,
        senders: Mapping[str, Sender],
        backoff: Backoff | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._outbox, self._senders = outbox, senders
        self._backoff = backoff or Backoff()
        self._jitter = jitter

    def run(self, limit: int = 1000) -> DispatchResult:
        """Try each item that is due, one after the other, at most ``limit`` of them.

        Raises:
            UnavailableError: the ledger cannot be reached; a delivery that could not be recorded is repeated later.
        """
        outcomes: list[str] = []
        while len(outcomes) < limit and (leased := self._outbox.lease(LEASE_TIME)):
            outcomes.append(self._deliver(leased[0]))
        return DispatchResult(*(outcomes.count(name) for name in ("sent", "failed", "given-up")))

    def _deliver(self, item: OutboxItem) -> str:
        try:
            self._sender_of(item).send(item)
        except DeliveryError as error:
            assert item.leased_until is not None  # noqa: S101 - it was leased
            began = item.leased_until - LEASE_TIME  # by the outbox's clock, which is not this host's
            wait = None if error.final else self._backoff.next_wait(item, began, self._jitter(), error.wait)
            self._outbox.mark_failed(item, error.message, wait)
            return "given-up" if wait is None else "failed"
        self._outbox.mark_sent(item)
        return "sent"

    def _sender_of(self, item: OutboxItem) -> Sender:
        try:
            return self._senders[item.notice.destination]
        except KeyError:
            known = ", ".join(sorted(self._senders)) or "none"
            raise DeliveryError(
                f"There is no destination '{item.notice.destination}' on this host (known: {known})."
            ) from None
