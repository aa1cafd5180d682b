"""The courier: takes what is due out of the outbox, delivers it, and comes back to what failed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tiltyard.ledger import Outbox, OutboxItem
from tiltyard.notifications.ports import DELIVERY_TIMEOUT_SECONDS, DeliveryError, Sender

LEASE_TIME = timedelta(seconds=3 * DELIVERY_TIMEOUT_SECONDS)
"""How long a courier keeps a parcel: longer than any delivery, so that no two deliver one at a time."""


@dataclass(frozen=True)
class Backoff:
    """How long to wait after a failed attempt, and when to give up.

    The wait doubles with each attempt, from ``first`` to ``longest``; of it, a random part of up to a half is taken
    off, so that what failed together does not come back together (Brooker, "Exponential backoff and jitter", 2015).

    Attributes:
        first: after the first attempt.
        longest: at most.
        give_up: a notice older than this is given up when an attempt fails.
    """

    first: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(hours=1)
    give_up: timedelta = timedelta(days=3)

    def next(self, parcel: OutboxItem, now: datetime, luck: float, asked: timedelta | None = None) -> datetime | None:
        """When to try again; None to give up.

        Args:
            parcel: what failed, with the attempts begun so far.
            now: when it failed.
            luck: in [0, 1), decides the jitter.
            asked: the wait that the receiver asked for; a shorter one is not taken.
        """
        if now - parcel.notice.at >= self.give_up:
            return None
        doublings = min(parcel.attempts - 1, 40)
        wait = min(self.first.total_seconds() * 2**doublings, self.longest.total_seconds())
        jittered = timedelta(seconds=wait * (1 - luck / 2))
        return now + max(jittered, asked or timedelta())


@dataclass(frozen=True)
class DispatchResult:
    """What a courier did: how many parcels were sent, failed for now, and were given up."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0

    def to_dict(self) -> dict[str, int]:
        """JSON-ready form."""
        return {"sent": self.sent, "failed": self.failed, "given_up": self.given_up}


def _now() -> datetime:
    return datetime.now(UTC)


class Dispatcher:
    """Delivers what is due. Any number may work on one outbox, in any number of processes.

    Args:
        outbox: where the parcels are.
        senders: by the name of the destination.
        backoff: when to come back.
        clock: the present, UTC.
        luck: a random number in [0, 1) for each failure.
    """

    def __init__(
        self,
        outbox: Outbox,
        senders: Mapping[str, Sender],
        backoff: Backoff | None = None,
        clock: Callable[[], datetime] = _now,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self._outbox, self._senders = outbox, senders
        self._backoff = backoff or Backoff()
        self._clock, self._luck = clock, luck

    def run(self, limit: int = 1000) -> DispatchResult:
        """Try each parcel that is due, one after the other, at most ``limit`` of them.

        Raises:
            UnavailableError: the ledger is away; what was delivered and could not be noted is delivered again later.
        """
        outcomes: list[str] = []
        while len(outcomes) < limit and (leased := self._outbox.lease(self._clock(), LEASE_TIME)):
            outcomes.append(self._deliver(leased[0]))
        return DispatchResult(*(outcomes.count(name) for name in ("sent", "failed", "given-up")))

    def _deliver(self, parcel: OutboxItem) -> str:
        try:
            self._sender(parcel).send(parcel)
        except DeliveryError as error:
            now = self._clock()
            due = None if error.final else self._backoff.next(parcel, now, self._luck(), error.wait)
            self._outbox.mark_failed(parcel, error.message, due)
            return "failed" if due else "given-up"
        self._outbox.mark_sent(parcel, self._clock())
        return "sent"

    def _sender(self, parcel: OutboxItem) -> Sender:
        try:
            return self._senders[parcel.notice.destination]
        except KeyError:
            known = ", ".join(sorted(self._senders)) or "none"
            raise DeliveryError(
                f"This host knows no destination '{parcel.notice.destination}' (it knows: {known})."
            ) from None
